//! nginx: whether it has enough file descriptors, and whether it serves what its files say. It opens two log files per site
//! before its workers run, and on a reload those of both configurations: if it runs out of file descriptors, it keeps its
//! previous configuration, and does not restart.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_host::lines;

/// Descriptors that nginx needs for each site on a reload.
const PER_SITE: u64 = 4;

/// Descriptors that nginx needs besides the sites' logs: listeners, its own logs, connections.
const BESIDES: u64 = 128;

const DROP_IN: &str = "/etc/systemd/system/nginx.service.d/50-opterius.conf";

/// Whether nginx can open enough files for its sites.
pub fn descriptors(context: &Context<'_>) -> Option<Finding> {
    let host = context.host()?;
    let enabled = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"];
    let sites = enabled.iter().flat_map(|path| fs::read_dir(host.path(path)).into_iter().flatten().flatten()).count();
    let main = lines::lossy(&lines::read(&host.path("/etc/nginx/nginx.conf")).ok()?);
    let Some(master) = master_limit(context) else {
        return Some(match context.system.is_root {
            true => Finding::pass(format!("not running, so its limit is unknown (sites: {sites})")),
            false => context.needs_root("the open-file limit of nginx"),
        });
    };
    Some(judge(u64::try_from(sites).unwrap_or(u64::MAX), master, worker_limit(&main)))
}

/// Whether nginx accepts its configuration, has loaded it, and serves every site as written: the helper asks for each site.
pub fn sites(context: &Context<'_>) -> Option<Finding> {
    let host = context.host()?;
    if !host.is_machine() || !context.system.path("/etc/nginx").is_dir() {
        return None;
    }
    if !context.system.is_root {
        return Some(context.needs_root("what nginx serves"));
    }
    // The helper then refuses, which the check of the permissions reports.
    let metadata = fs::metadata(&context.system.config_path).ok()?;
    if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return None;
    }
    let looked = context.system.probe.sites(&context.system.config_path);
    let finding =
        looked.map_err(|problem| problem.message()).and_then(|output| reported(&output.stdout, &output.stderr));
    Some(finding.unwrap_or_else(|cause| {
        Finding::warn(
            format!("the helper could not look at nginx: {}", cause.trim_end()),
            "nginx -t; systemctl status nginx",
        )
    }))
}

/// The helper's finding.
fn reported(stdout: &str, stderr: &str) -> Result<Finding, String> {
    let report: Value = serde_json::from_str(stdout).map_err(|_| stderr.to_owned())?;
    let text = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(if text("verdict") == "PASS" { Finding::pass(text("seen")) } else { Finding::fail(text("seen"), text("fix")) })
}

/// The limit of the running master process, or of its unit.
fn master_limit(context: &Context<'_>) -> Option<u64> {
    let system = context.system;
    let process = system.read("/run/nginx.pid");
    let of_process = || open_files(&system.read(&format!("/proc/{}/limits", process.trim().parse::<u32>().ok()?)));
    let of_unit = || {
        let shown = system.printed("systemctl", &["show", "nginx.service", "-p", "LimitNOFILESoft", "--value"])?;
        shown.trim().parse().ok()
    };
    of_process().or_else(of_unit)
}

/// The soft limit in the text of /proc/…/limits.
fn open_files(limits: &str) -> Option<u64> {
    let values = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    values.split_ascii_whitespace().next()?.parse().ok()
}

fn worker_limit(main: &str) -> Option<u64> {
    let value = main.lines().find_map(|line| line.trim().strip_prefix("worker_rlimit_nofile"))?;
    value.trim().trim_end_matches(';').trim().parse().ok()
}

fn judge(sites: u64, master: u64, workers: Option<u64>) -> Finding {
    let needed = sites.saturating_mul(PER_SITE).saturating_add(BESIDES);
    let (limit, whose) = match workers {
        Some(workers) if workers < master => (workers, "a worker process (worker_rlimit_nofile)"),
        _ => (master, "nginx"),
    };
    let seen = format!("{whose} needs about {needed} of at most {limit} open files (sites: {sites})");
    let fix = if limit < master {
        "set worker_rlimit_nofile 65536; in /etc/nginx/nginx.conf, then run: nginx -t && systemctl reload nginx"
            .to_owned()
    } else {
        format!(
            "install -d {}; printf '[Service]\\nLimitNOFILE=65536\\n' >{DROP_IN}; systemctl daemon-reload; systemctl restart nginx",
            DROP_IN.trim_end_matches("/50-opterius.conf")
        )
    };
    if needed > limit {
        Finding::fail(seen, fix)
    } else if needed > limit / 5 * 4 {
        Finding::warn(seen, fix)
    } else {
        Finding::pass(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn a_reload_needs_the_log_files_of_both_configurations() {
        let table = [
            (10, 1024, None, Verdict::Pass),
            (180, 1024, None, Verdict::Warn),
            (225, 1024, None, Verdict::Fail),
            (225, 65536, None, Verdict::Pass),
            (225, 65536, Some(1024), Verdict::Fail),
            (225, 1024, Some(65536), Verdict::Fail),
            (12_000, 65536, None, Verdict::Pass),
        ];
        for (sites, master, workers, verdict) in table {
            assert_eq!(judge(sites, master, workers).verdict, verdict, "{sites} {master} {workers:?}");
        }
    }

    #[test]
    fn the_finding_of_the_helper_is_passed_on() {
        let report = r#"{"verdict":"FAIL","seen":"nginx does not run","fix":"systemctl start nginx"}"#;
        assert_eq!(reported(report, ""), Ok(Finding::fail("nginx does not run", "systemctl start nginx")));
        let report = r#"{"verdict":"PASS","seen":"all well","fix":null}"#;
        assert_eq!(reported(report, ""), Ok(Finding::pass("all well")));
        assert_eq!(reported("", "no root"), Err("no root".to_owned()));
    }

    #[test]
    fn limits_are_parsed() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!((open_files(limits), open_files("")), (Some(1024), None));
        assert_eq!(worker_limit("user x;\n  worker_rlimit_nofile 4096;\n"), Some(4096));
        assert_eq!(worker_limit("# worker_rlimit_nofile 4096;\n"), None);
    }
}
