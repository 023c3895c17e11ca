//! The contents of the demo directory: a new installation with two users and a license, an Agent configuration, a host root
//! to work on, and a script that signs requests as the Panel does.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;

use ring::rand::{SecureRandom, SystemRandom};

use crate::demo_dir::DemoDir;
use crate::events;
use crate::sale;
use crate::tour::{ADMINISTRATOR, OWNER, Tour};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_license_server::actions::TokenTerms;
use opterius_license_server::commands::failure::Failure;
use opterius_license_server::config::{self, Config};
use opterius_license_server::installation::{DataDir, Installation};
use opterius_license_server::model::{Actor, Role, Scope};
use opterius_license_server::webhooks::receiver_address::Receivers;
use opterius_license_server::{actions, passwords};

/// The installation and what the tour needs.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) installation: Installation,
    pub(super) draft: Draft,
}

/// What is known before the license is sold.
pub(super) struct Draft {
    server_port: u16,
    agent_port: u16,
    owner_password: Secret,
    administrator_password: Secret,
    /// The token of the shop.
    token: Secret,
    public_keys: String,
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/nonexistent:/usr/sbin/nologin\n";
const SHADOW: &str = "root:*:19000::::::\nwww-data:*:19000::::::\n";
const GROUP: &str = "root:x:0:\nwww-data:x:33:\n";
const GSHADOW: &str = "root:*::\nwww-data:*::\n";

const PANEL: &str = r#"#!/bin/sh
# Signs a request as the Panel does, which is without the query, sends it to the Agent, and prints the response:
#     panel METHOD PATH [BODY]
# Created by the demo, which deletes it again. The secret is briefly visible in the process list; it protects only this
# demo.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo "Usage: panel METHOD PATH [BODY]" >&2
  exit 64
fi
method=$1 path=$2 body=${3-}
conf=$(dirname -- "$0")/agent.conf
secret=$(sed -n 's/^secret=//p' "$conf")
port=$(sed -n 's/^port=//p' "$conf")
timestamp=$(date -u +%Y-%m-%dT%H:%M:%S+00:00)
signature=$(printf '%s%s%s%s' "$timestamp" "$method" "${path%%\?*}" "$body" |
  openssl dgst -sha256 -hmac "$secret" -r | cut -d' ' -f1)
exec curl -sS --noproxy '*' -X "$method" -w '\nHTTP %{http_code}\n' \
  -H "X-Timestamp: $timestamp" -H "X-Signature: $signature" -H 'Content-Type: application/json' \
  --data-raw "$body" "http://127.0.0.1:$port$path"
"#;

const SHOP: &str = r#"#!/bin/sh
# Calls the vendor API of the license server as a shop does, and prints the answer:
#     shop METHOD PATH [BODY]
# Created by the demo, which deletes it again. The token is briefly visible in the process list; it protects only this demo.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo "Usage: shop METHOD PATH [BODY]" >&2
  exit 64
fi
method=$1 path=$2
conf=$(dirname -- "$0")/shop.conf
token=$(sed -n 's/^token=//p' "$conf")
port=$(sed -n 's/^port=//p' "$conf")
exec curl -sS --noproxy '*' -X "$method" -w '\nHTTP %{http_code}\n' \
  -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
  ${3+--data-raw "$3"} "http://127.0.0.1:$port/api/v1$path"
"#;

/// Creates the files in the empty directory.
pub(super) fn prepare(directory: &DemoDir, server_port: u16, agent_port: u16) -> Result<Setup, Failure> {
    let data = directory.path("data");
    let conf = directory.write(
        "license-server.conf",
        0o600,
        &format!(
            "# Created by the demo.\nport={server_port}\ndata_dir={}\nwebhook_private_targets=yes\nlog=stderr\n",
            data.display()
        ),
    )?;
    let config = config::load(&conf)?.config;
    let mut installation = DataDir::new(&data).create(SystemClock.wall())?;
    let (owner, administrator) = (password()?, password()?);
    let token = add_users_and_token(&mut installation, &owner, &administrator)?;
    let shop = events::receive(&directory.path("events.log"))?;
    add_webhook(&mut installation, &shop)?;
    seed_host(directory)?;
    directory.write("panel", 0o700, PANEL)?;
    directory.write("shop", 0o700, SHOP)?;
    directory.write("shop.conf", 0o600, &format!("port={server_port}\ntoken={}\n", token.expose()))?;
    let draft = Draft {
        server_port,
        agent_port,
        owner_password: owner,
        administrator_password: administrator,
        token,
        public_keys: installation.keys.public_keys(),
    };
    Ok(Setup { config, installation, draft })
}

impl Draft {
    /// Sells the license through the running server, and writes the configuration of the Agent with its key.
    pub(super) fn sell(self, directory: &DemoDir) -> Result<Tour, Failure> {
        let Self { server_port, agent_port, owner_password, administrator_password, token, public_keys } = self;
        let (license, key) = sale::sell(server_port, &token, OWNER)?;
        let agent = format!(
            "# Created by the demo.\nsecret={}\nlicense_key={}\nport={agent_port}\nlicense_server=http://127.0.0.1:{server_port}\n\
         license_public_key={}\nlicense_cache={}\nip_discovery_url=\nhost_root={}\nlog=stderr\n",
            hex(&random::<32>()?),
            key.expose(),
            public_keys,
            directory.path("license-cache.json").display(),
            directory.path("root").display()
        );
        directory.write("agent.conf", 0o600, &agent)?;
        Ok(Tour {
            directory: directory.directory().to_owned(),
            server_port,
            agent_port,
            owner_password,
            administrator_password,
            key,
            license,
        })
    }
}

/// A directory tree in place of a hosting server. The Agent changes nothing outside of it.
fn seed_host(directory: &DemoDir) -> Result<(), Failure> {
    let mut directories: Vec<String> =
        ["sites-available", "sites-enabled", "conf.d"].map(|name| format!("root/etc/nginx/{name}")).into();
    // The PHP versions of this machine, so that sites get pools.
    let versions = fs::read_dir("/etc/php").into_iter().flatten().flatten().map(|entry| entry.file_name());
    directories.extend(versions.map(|version| format!("root/etc/php/{}/fpm/pool.d", version.to_string_lossy())));
    for directory in directories.iter().map(|name| directory.path(name)) {
        let created = DirBuilder::new().recursive(true).mode(0o755).create(&directory);
        created.map_err(|error| Failure::refused(format!("{}: {error}", directory.display())))?;
    }
    for (name, mode, text) in
        [("passwd", 0o644, PASSWD), ("group", 0o644, GROUP), ("shadow", 0o600, SHADOW), ("gshadow", 0o600, GSHADOW)]
    {
        directory.write(&format!("root/etc/{name}"), mode, text)?;
    }
    Ok(())
}

/// Adds the users, and a token for the shop that sells them licenses.
fn add_users_and_token(
    installation: &mut Installation,
    owner: &Secret,
    administrator: &Secret,
) -> Result<Secret, Failure> {
    let owner = passwords::hash(owner).map_err(Failure::refused)?;
    let administrator = passwords::hash(administrator).map_err(Failure::refused)?;
    let actor = Actor { role: Role::System, name: "demo".to_owned() };
    installation.database.change(SystemClock.wall(), |transaction| {
        actions::add_user(transaction, &actor, OWNER, &owner, false)?;
        actions::add_user(transaction, &actor, ADMINISTRATOR, &administrator, true)?;
        let terms =
            TokenTerms { name: "shop".to_owned(), scopes: Scope::ALL.to_vec(), networks: Vec::new(), expires_at: None };
        Ok(actions::add_token(transaction, &actor, &terms)?.1)
    })
}

/// Adds the webhook of the shop.
fn add_webhook(installation: &mut Installation, url: &str) -> Result<(), Failure> {
    let actor = Actor { role: Role::System, name: "demo".to_owned() };
    installation.database.change(SystemClock.wall(), |transaction| {
        actions::add_webhook(transaction, &actor, url, None, Receivers::Private)?;
        Ok(())
    })
}

/// A password with 80 random bits.
fn password() -> Result<Secret, Failure> {
    let text: Vec<String> = random::<10>()?.chunks(2).map(hex).collect();
    Ok(Secret::new(text.join("-")))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Failure> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::refused("the system provides no random numbers"))?;
    Ok(bytes)
}
