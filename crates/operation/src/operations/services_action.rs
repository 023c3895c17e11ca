//! `/services/action`: controls an allowed service. The Agent refuses to stop itself.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::servers::nginx;
use crate::system::services::{AGENT, allowed, show, units};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::services_action::{Action, ServiceAction};
use opterius_host::tool::Tool;

impl Perform for ServiceAction {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let (service, action) = (self.service.as_str(), self.action);
        let allowed = allowed(host);
        if !allowed.contains_key(service) {
            let names: Vec<&str> = allowed.keys().map(String::as_str).collect();
            return Err(Problem::invalid("service", format!("must be one of: {}", names.join(", "))));
        }
        if (service, action) == (AGENT, Action::Stop) {
            let sentence = "The Agent does not stop itself, because the Panel could not start it again. To stop it, run on the \
             server: systemctl stop opterius-agent";
            return Err(Problem::Conflict(sentence.to_owned()));
        }
        if !host.has_systemd() {
            let sentence = "systemd does not run the services of this server, so the Agent cannot control them.";
            return Err(Problem::Unavailable(sentence.to_owned()));
        }
        if units(&show(&[service], deadline)?).next().is_none_or(|unit| !unit.is_installed()) {
            return Err(Problem::NotFound(format!("The service “{service}” is not installed on this server.")));
        }
        if service == "nginx" && matches!(action, Action::Restart | Action::Reload) {
            check_nginx(host, deadline)?;
        }
        let mut tool = Tool::named("systemctl")?.arg(action.word());
        if service == AGENT {
            // The response must be sent before the Agent stops.
            tool = tool.arg("--no-block");
        }
        tool.arg(format!("{service}.service")).succeed(deadline)?;
        Ok(json!({"service": service, "action": action.word()}))
    }
}

/// Tests nginx's configuration first: with an invalid one, a reload has no effect, and a restart would leave nginx stopped.
fn check_nginx(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    nginx::test(host, deadline).map_err(|problem| match problem {
        Problem::Rejected { sentence, .. } => {
            Problem::Conflict(format!("nginx keeps its current configuration. {sentence}"))
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn act(tree: &Tree, service: &str, action: Action) -> Result<Value, Problem> {
        tree.perform(&ServiceAction { service: service.to_owned(), action })
    }

    #[test]
    fn without_systemd_services_cannot_be_controlled() {
        let tree = Tree::new();
        let table = [
            ("sshd-evil", Action::Restart, 422),
            ("php8.9-fpm", Action::Restart, 422),
            (AGENT, Action::Stop, 409),
            (AGENT, Action::Restart, 503),
            ("nginx", Action::Reload, 503),
        ];
        for (service, action, status) in table {
            let problem = act(&tree, service, action).unwrap_err();
            assert_eq!(problem.status(), status, "{service}: {}", problem.message());
        }
        let refusal = act(&tree, "systemd", Action::Stop).unwrap_err().message();
        assert!(refusal.contains("nginx") && refusal.contains("postfix"), "{refusal}");
    }
}
