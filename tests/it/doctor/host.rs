//! Host resources: disk space, file descriptors, time synchronization.

use super::installed::Installed;
use crate::support::machine::run;
use crate::support::package::on_a_server;

#[test]
fn each_missing_resource_is_found_by_its_own_check() {
    on_a_server(each_missing_resource_is_found_by_its_own_check, || {
        let mut machine = Installed::new();
        machine.healthy.says("nginx", "PASS", "open files", "");

        let many = "for n in $(seq 520); do touch /etc/nginx/sites-enabled/site$n.example.conf; done; \
                    prlimit --nofile=1024:4096 --pid $(cat /run/nginx.pid)";
        machine.broken_by(many, &["nginx"], "FAIL", "of at most 1024 open files", "LimitNOFILE=65536");
        run("rm /etc/nginx/sites-enabled/site*.example.conf");
        machine.is_well();

        run("mount -t tmpfs -o size=40m,nr_inodes=300 none /home");
        machine.broken_by("head -c 30000000 /dev/zero >/home/large", &["disk space"], "FAIL", "at /home", "df -h");
        run("rm /home/large");
        machine.is_well();
        let fill = "i=0; while [ $i -lt 280 ]; do touch /home/$i; i=$((i+1)); done";
        machine.broken_by(fill, &["inodes"], "FAIL", "at /home", "df -i");
        run("umount /home");
        machine.is_well();

        // The output of timedatectl with and without time synchronization.
        let answers = |value: &str| {
            format!(
                "printf '#!/bin/sh\\nprintf \"CanNTP=yes\\\\nNTP={value}\\\\nNTPSynchronized={value}\\\\n\"\\n' \
                     >/usr/bin/timedatectl.new; chmod 755 /usr/bin/timedatectl.new; mv /usr/bin/timedatectl.new /usr/bin/timedatectl"
            )
        };
        run(&answers("yes"));
        machine.healthy = Installed::look();
        machine.healthy.says("time sync", "PASS", "synchronized", "");
        machine.broken_by(&answers("no"), &["time sync"], "WARN", "disabled", "timedatectl set-ntp true");
    });
}
