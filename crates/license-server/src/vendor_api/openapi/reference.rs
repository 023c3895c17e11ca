//! The document as a page: in the dashboard's style, readable without scripts and on a telephone.

use std::sync::{LazyLock, OnceLock};

use askama::Template;

use super::schema;
use super::{answers, operation};
use crate::vendor_api::PREFIX;
use crate::vendor_api::members::{Kind, Member, Presence};
use crate::vendor_api::route::{Route, segments};
use opterius_http::response::{HTML, Response};
use opterius_web::frame::Frame;

/// The frame of the dashboard's pages.
static FRAME: LazyLock<Frame> = LazyLock::new(|| Frame::of_site("/style.css", "/icon.svg"));

#[derive(Template)]
#[template(path = "api_reference.html", config = "src/dashboard/askama.toml")]
struct ReferencePage {
    prefix: &'static str,
    sections: Vec<(&'static str, Vec<Call>)>,
    errors: Vec<(u16, &'static str)>,
    schemas: Vec<Schema>,
}

/// A call on the page.
struct Call {
    id: String,
    method: &'static str,
    /// The segments of the path, so that a narrow page breaks it between them.
    path: Vec<&'static str>,
    about: &'static str,
    scope: Option<&'static str>,
    inputs: Vec<Input>,
    status: u16,
    answer: &'static str,
    /// The schema of the answer, or of its items.
    schema: Option<&'static str>,
}

/// A parameter, a member of the body, or a member of an answer.
struct Input {
    name: String,
    place: &'static str,
    kind: String,
    required: bool,
    about: String,
}

/// The schema of an answer.
struct Schema {
    name: String,
    members: Vec<Input>,
}

/// The page, as an answer.
pub(in crate::vendor_api) fn reference(routes: &'static [Route]) -> Response {
    static PAGE: OnceLock<Vec<u8>> = OnceLock::new();
    let body = PAGE.get_or_init(|| page(routes)).clone();
    let mut response = Response::text(200, HTML, String::new());
    response.body = std::sync::Arc::new(body);
    response.headers = FRAME.headers().map(|(name, value)| (name, value.to_owned())).to_vec();
    response
}

fn page(routes: &'static [Route]) -> Vec<u8> {
    let mut sections: Vec<(&'static str, Vec<Call>)> = Vec::new();
    for route in routes {
        let tag = operation::tag(route);
        match sections.iter_mut().find(|(name, _)| *name == tag) {
            Some((_, calls)) => calls.push(call(route)),
            None => sections.push((tag, vec![call(route)])),
        }
    }
    let errors = operation::ERRORS.iter().map(|(_, status, about)| (*status, *about)).collect();
    let reference = ReferencePage { prefix: PREFIX, sections, errors, schemas: schemas() };
    let mut page = FRAME.begin("Vendor API · Opterius Licenses");
    // A template of our own always renders.
    page.rendered(&reference.render().unwrap_or_default()).markup("\n");
    FRAME.end(page)
}

fn call(route: &Route) -> Call {
    let answered = answers::of(route);
    let mut inputs: Vec<Input> = operation::path_parameters(route).map(path_input).collect();
    inputs.extend(route.parameters().into_iter().map(|member| input(member, "query", "")));
    for member in route.members() {
        add_members(&mut inputs, member, "");
    }
    Call {
        id: operation::operation_id(route),
        method: route.method.as_str(),
        path: segments(route.path),
        about: route.about,
        scope: route.scope.map(|scope| scope.as_str()),
        inputs,
        status: route.status,
        answer: answered.as_ref().map_or("", |answered| answered.about),
        schema: answered.and_then(|answered| answered.schema_name()),
    }
}

fn path_input(name: &str) -> Input {
    let about = operation::about_path(name).to_owned();
    Input { name: name.to_owned(), place: "path", kind: String::new(), required: true, about }
}

/// Adds a member of the body, and those of its object.
fn add_members(inputs: &mut Vec<Input>, member: &Member, within: &str) {
    inputs.push(input(member, "body", within));
    if let Kind::Object(members) | Kind::LineOrObject(_, members) = &member.kind {
        for inner in *members {
            add_members(inputs, inner, &format!("{within}{}.", member.name));
        }
    }
}

fn input(member: &Member, place: &'static str, within: &str) -> Input {
    Input {
        name: format!("{within}{}", member.name),
        place,
        kind: kind(&member.kind),
        required: member.presence == Presence::Required,
        about: member.about.to_owned(),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Line(most) => format!("string of 1 to {most} characters"),
        Kind::Text(most) => format!("text of up to {most} characters"),
        Kind::Instant => "RFC 3339 time".to_owned(),
        Kind::Address => "IP address".to_owned(),
        Kind::BlockTime => "hours or days, such as 7d".to_owned(),
        Kind::Flag => "boolean".to_owned(),
        Kind::Integer(least, most) => format!("integer from {least} to {most}"),
        Kind::Choice(choices) => choices.join(" | "),
        Kind::Choices(known) => format!("some of {}", known().join(" | ")),
        Kind::Lines(most, _) => format!("up to {most} strings"),
        Kind::Object(_) => "object".to_owned(),
        Kind::LineOrObject(..) => "string or object".to_owned(),
    }
}

fn schemas() -> Vec<Schema> {
    let schemas = answers::schemas();
    let of = |(name, schema): (&String, &serde_json::Value)| {
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        let member = |(name, property): (&String, &serde_json::Value)| {
            let text = |key: &str| property.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            Input {
                name: name.clone(),
                place: "",
                kind: schema::name_of(property),
                required: true,
                about: text("description"),
            }
        };
        Schema { name: name.clone(), members: properties.into_iter().flatten().map(member).collect() }
    };
    schemas.as_object().into_iter().flatten().map(of).collect()
}
