//! What happens to a link with which a user sets a password: it is shown to who made it, and sent by mail if it can be.

use std::fmt::Write;

use crate::actions::NewLink;
use crate::config::Config;
use crate::mail::{self, Mail};
use crate::model::LinkPurpose;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;

/// A link for the user.
pub(crate) struct DeliveredLink {
    /// The complete URL, or only the path if `public_url` is not set.
    pub link: Secret,
    /// Whether the link is a complete URL.
    pub is_url: bool,
    /// The address that it was sent to.
    pub mailed_to: Option<String>,
    /// Why it was not sent.
    pub warning: Option<String>,
}

/// Completes the link, and sends it if the user has an address and `is_mailed`. The host that the request named is never
/// used: a visitor can choose it.
pub(crate) fn deliver(config: &Config, link: &NewLink, is_mailed: bool) -> DeliveredLink {
    let url = config.public_url.as_ref().map(|public| Secret::new(format!("{}{}", public.url, link.path.expose())));
    let mut delivered = DeliveredLink {
        is_url: url.is_some(),
        link: url.unwrap_or_else(|| link.path.clone()),
        mailed_to: None,
        warning: None,
    };
    let Some(to) = link.user.mail.as_deref().filter(|_| is_mailed) else { return delivered };
    let Some(transport) = mail::find(config) else { return delivered };
    if !delivered.is_url {
        delivered.warning =
            Some("No mail was sent: the link is incomplete without public_url in license-server.conf.".to_owned());
        return delivered;
    }
    let subject = match link.purpose {
        LinkPurpose::Invitation => "Set your password for the license dashboard",
        LinkPurpose::Reset => "Reset your password for the license dashboard",
    };
    let text = text(link, delivered.link.expose());
    match mail::send(transport, config.mail_from.as_deref(), &Mail { to, subject, text: &text }) {
        Ok(()) => delivered.mailed_to = Some(to.to_owned()),
        Err(cause) => delivered.warning = Some(format!("The mail to {to} was not sent: {cause}.")),
    }
    delivered
}

fn text(link: &NewLink, url: &str) -> String {
    let mut text = format!("Hello {},\n\n", one_line(link.user.shown_name(), 128));
    let what = match link.purpose {
        LinkPurpose::Invitation => "You have been invited to the license dashboard. Set your password here:",
        LinkPurpose::Reset => "You can set a new password for the license dashboard here:",
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{what}\n\n{url}\n\nThe link can be used once, until {}. Your sign-in name is:\n\n    {}\n\n\
         If you did not expect this mail, ignore it.\n",
        link.ends_at,
        one_line(&link.user.name, 128)
    );
    text
}
