//! Refused servers and servers that are kept out, formatted for the page of their license.

use std::net::IpAddr;

use super::administrator_actions::LICENSE_ACTIONS;
use super::form::encode;
use super::format::text;
use super::routes::Route;
use super::server_actions::{MOVE, MOVE_HERE, UNBLOCK};
use super::servers::address;
use crate::model::{Block, Help, License};
use crate::refused::Helped;
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;

/// A row of the table of refused servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) ip: String,
    pub(super) hostname: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) message: String,
    pub(super) denials: u32,
    pub(super) first: Moment,
    pub(super) last: Moment,
    pub(super) help: Vec<HelpLink>,
}

/// What helps: a link, or a sentence if the viewer cannot do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HelpLink {
    /// The prefix of its HTML id.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) link: Option<String>,
}

/// A row of the table of servers that are kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) ip: String,
    pub(super) until: Moment,
    pub(super) unblock: String,
}

/// Who views the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Viewer<'a> {
    Administrator,
    /// An owner, who renews and upgrades at this address of the vendor.
    Owner {
        renew_url: Option<&'a str>,
    },
}

/// Formats the refused servers.
pub(super) fn rows(license: &License, refused: &[Helped], viewer: Viewer<'_>, now: Timestamp) -> Vec<Refused> {
    let row = |helped: &Helped| {
        let server = &helped.server;
        let format = |value: &Option<String>| value.as_deref().map(text).filter(|value| !value.is_empty());
        Refused {
            ip: server.ip.to_string(),
            hostname: format(&server.details.hostname),
            agent: format(&server.details.agent_version),
            message: text(&server.message),
            denials: server.denials,
            first: Moment::new(server.first_at, now),
            last: Moment::new(server.last_at, now),
            help: helped.help.iter().map(|help| help_link(license, helped, *help, viewer)).collect(),
        }
    };
    refused.iter().map(row).collect()
}

/// Formats the servers that are kept out.
pub(super) fn blocked(license: i64, blocks: &[Block], now: Timestamp) -> Vec<Blocked> {
    let row = |block: &Block| Blocked {
        ip: block.ip.to_string(),
        until: Moment::new(block.ends_at, now),
        unblock: address(license, &UNBLOCK, block.ip),
    };
    blocks.iter().map(row).collect()
}

fn help_link(license: &License, helped: &Helped, help: Help, viewer: Viewer<'_>) -> HelpLink {
    let (id, ip) = (license.id, helped.server.ip);
    let linked = |name, text, link: String| HelpLink { name, text, link: Some(link) };
    let for_owner = |name, text, sentence| match viewer {
        Viewer::Owner { renew_url: Some(url) } => HelpLink { name, text, link: Some(url.to_owned()) },
        _ => HelpLink { name, text: sentence, link: None },
    };
    let by_administrator = |name| {
        let action = LICENSE_ACTIONS.iter().find(|action| action.name == name)?;
        (viewer == Viewer::Administrator).then(|| Route::LicenseAction(id, action).to_string())
    };
    match help {
        Help::Resume => match by_administrator("resume") {
            Some(link) => linked("resume", "Resume", link),
            None => HelpLink { name: "resume", text: "Ask your vendor to resume the license.", link: None },
        },
        Help::Renew => match by_administrator("renew") {
            Some(link) => linked("renew", "Renew", link),
            None => for_owner("renew", "Renew", "Ask your vendor to renew the license."),
        },
        Help::Upgrade => match by_administrator("plan") {
            Some(link) => linked("upgrade", "Upgrade", link),
            None => for_owner("upgrade", "Upgrade", "Ask your vendor for a plan with more servers."),
        },
        Help::MoveLock => linked("move-lock", "Move the lock here", move_lock(license, ip)),
        Help::Unblock => {
            let blocked = helped.block.as_ref().map_or(ip, |block| block.ip);
            linked("unblock", "Let it in again", address(id, &UNBLOCK, blocked))
        }
        Help::Move => linked("move-here", "Move a slot here", address(id, &MOVE_HERE, ip)),
        Help::Revoke => linked("revoke-another", "Revoke another", "#servers".to_owned()),
        Help::Wait => HelpLink {
            name: "wait",
            text: "Nothing stands in its way any more: it is granted at its next check, within 24 hours.",
            link: None,
        },
    }
}

/// The page that moves the lock, filled in.
fn move_lock(license: &License, to: IpAddr) -> String {
    let from = license.locked_ip.unwrap_or(to);
    format!("{}&to={}", address(license.id, &MOVE, from), encode(&to.to_string()))
}
