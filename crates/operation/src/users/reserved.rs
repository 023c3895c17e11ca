//! Names that no new account may have, although no user or group has them yet.
//!
//! A package that is installed later takes an existing user or group of the name that it wants: a customer named “docker”
//! would be in the group that opens Docker's socket, and one named “postgres” would own its databases. The list has the users
//! and groups of Debian's base-passwd, of packages in Debian, Ubuntu and the repositories that hosting servers use, of other
//! panels, and of cloud images, and the mailboxes that certificate authorities and RFC 2142 trust.

/// Users and groups of every Debian or Ubuntu system, and groups that grant privileges.
const SYSTEM: &str = "
    adm admin administrator audio backup bin bluetooth cdrom cgred crontab daemon dbus dialout dip disk fax floppy fuse
    games gnats gpio halt i2c input irc kmem kvm list lock locate lp lpadmin mail man mem messagebus mlocate netdev news
    nobody nogroup operator plocate plugdev polkit polkitd proxy render root sambashare sasl scanner sgx shadow shutdown
    slocate spi src ssh ssl-cert staff sudo sudoers sync sys syslog sysadmin system tape tty users utmp uucp uuidd video
    voice wheel www www-data wwwrun";

/// Services of the network and the system.
const SERVICES: &str = "
    apt-cacher-ng arpwatch asterisk at atd auditd avahi avahi-autoipd bacula bareos beanstalkd bind bird borg caddy carbon
    ceph chrony clickhouse cockpit cockpit-ws collectd colord consul coturn couchdb cron crowdsec cups datadog dd-agent
    ddclient dhcp dhcpcd dhcpd dictd distcc dnscache dnscrypt dnsdist dnsmasq dnssec ejabberd elasticsearch epmd etcd
    etherpad fail2ban filebeat firebird fluent fluentd freerad freeswitch frr fwupd-refresh geoclue gdm git gitea gitlab
    gitlab-runner gitolite gitolite3 gluster gnome-initial-setup gogs grafana graphite graylog hacluster haproxy
    hplip i2psvc icecast icecast2 icinga identd influxdb inspircd ircd iscsi jaeger jellyfin jenkins jetty jitsi kafka
    kea kernoops kibana knot knot-resolver kolab krb5 landscape ldap libuuid lightdm lighttpd lirc logcheck logstash loki
    mattermost matrix-synapse meilisearch memcache memcached minio minio-user mongod mongodb monit mosquitto mpd mumble-server
    munin nagios named nats neo4j netdata nexus nfs nfsnobody nginx nrpe nscd nsd nslcd ntp ntpd ntpsec nut
    nvidia-persistenced oident oinstall oprofile openldap opensearch openvpn ossec otel partimag pcap pcp pcscd pdns pgbouncer
    pipewire plex pollinate powerdns privoxy prometheus promtail prosody proxysql puppet puppetdb pulse pulse-access
    quagga quasselcore rabbitmq radiusd radvd realtime redis registry rethinkdb rpc rpcuser rsync rtkit salt samba saned
    sddm sensu shibd sks slapd smbguest snapd snmp snort solr sonar sonarqube speech-dispatcher splunk squid sshd ssh-users
    sslh sssd statd statsd steam strongswan stunnel stunnel4 stapdev stapsys stapusr suricata syncthing tacacs tcpdump td-agent
    teamspeak telegraf telnetd teleport tftp thanos timescaledb tomcat tomcat8 tomcat9 tomcat10 tor traefik transmission tss
    turnserver unbound unifi ups usbmux valkey varnish varnishlog vault vcache vector victoriametrics vnstat wazuh whoopsie
    wireguard wireshark xrdp zabbix znc zookeeper";

/// Web, database and mail servers, and languages.
const HOSTING: &str = "
    amanda amavis apache apache2 biff cassandra clamav clamilt clamsmtp courier cyrus dkim dkim-filter dkim-milter dovecot
    dovenull dspam exim exim4 fetchmail ftp ftpgroup ftpuser galera greylist gunicorn http httpd keydb litespeed lsadm lsws
    mailadm mailcow mailman mailman3 mailnull maddy mariadb matomo milter mysql nextcloud node nodejs openlitespeed opendkim
    opendmarc owncloud passenger percona php php-fpm phpmyadmin policyd policyd-spf postdrop postfix postgres postgresql
    postgrey postsrsd proftpd puma pure-ftpd pureftpd pyzor razor roundcube rspamd sftp sftponly sftpusers sendmail
    smmsp smmta spamassassin spamd spamfilter srs stalwart sympa unit uwsgi virtual vmail vsftpd webmail wordpress";

/// Containers, virtual machines and build daemons.
const CONTAINERS: &str = "
    _kea apptainer buildbot buildkit containerd crio docker dockerroot dockremap firecracker flatpak incus incus-admin jailer
    k3s kube kubelet kubernetes libvirt libvirtd lxc lxd lxcfs microk8s mock nix nixbld nomad openvswitch podman qemu rkt
    runner sbuild schroot singularity swtpm teamcity ubridge vboxadd vboxsf vboxusers woodpecker xen";

/// Other panels, and users of cloud images.
const PANELS: &str = "
    aapanel almalinux ansible arch azureuser cagefs centos chef clp cloud-init cloud-user cloudflare cloudpanel cloudsdk core
    cpanel cpanelphpmyadmin cpanelroundcube cwp cwpsrv cyberpanel da debian diradmin directadmin ec2-user fedora froxlor
    froxlorlocal google-sudoers hestia hestiamail hestiaweb imunify imunify360 interworx ispapps ispconfig keyhelp linode
    lve-users mailtrap opc panel pi plesk psaadm psacln psaserv rocky rundeck suse ubuntu usermin vagrant vesta virtualmin
    webmin whm";

/// Mailboxes of RFC 2142 and of the CA/Browser Forum's domain validation.
const MAILBOXES: &str =
    "abuse hostmaster mailer-daemon noc postmaster security ssladmin ssladministrator usenet webmaster";

/// Starts of names: of services that create several users, and `_`, which Debian's policy reserves for system users.
const PREFIXES: [&str; 29] = [
    "_",
    "systemd-",
    "opterius",
    "debian-",
    "libvirt-",
    "lxc-",
    "lxd-",
    "incus-",
    "docker-",
    "containerd-",
    "kube-",
    "gitlab-",
    "mysql-",
    "mariadb-",
    "postgres-",
    "php-",
    "php7",
    "php8",
    "www-",
    "dbus-",
    "gnome-",
    "ceph-",
    "nixbld",
    "guixbuild",
    "snap-",
    "snap_",
    "cloud-",
    "polkit-",
    "cockpit-",
];

/// Ends of names that groups of services have.
const SUFFIXES: [&str; 4] = ["-admins", "-sudoers", "-exporter", "_exporter"];

/// Whether a new account may not have this name.
pub fn is_reserved(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || [SYSTEM, SERVICES, HOSTING, CONTAINERS, PANELS, MAILBOXES]
            .iter()
            .any(|names| names.split_ascii_whitespace().any(|reserved| reserved == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_of_services_are_reserved_and_those_of_people_are_not() {
        for name in [
            "docker",
            "lxd",
            "incus",
            "incus-admin",
            "libvirt",
            "libvirt-qemu",
            "kvm",
            "bind",
            "named",
            "caddy",
            "www-data",
            "backup",
            "sudo",
            "wheel",
            "adm",
            "disk",
            "shadow",
            "video",
            "render",
            "input",
            "tty",
            "staff",
            "users",
            "root",
            "systemd-network",
            "_apt",
            "_",
            "opterius",
            "opterius-accounts",
            "opteriusx",
            "debian-tor",
            "postmaster",
            "node_exporter",
            "postgres",
            "mysql",
            "vmail",
            "nixbld1",
            "clp",
            "ubuntu",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "alice", "bob", "carol", "dave", "erin", "dockers", "mydocker", "web1", "shop", "a", "listen", "adm1n",
            "user1",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    /// The users and groups that Debian itself lists for every system.
    #[test]
    fn every_name_of_base_passwd_is_reserved() {
        for file in ["/usr/share/base-passwd/passwd.master", "/usr/share/base-passwd/group.master"] {
            let Ok(text) = fs::read_to_string(file) else { continue };
            for name in text.lines().filter_map(|line| line.split(':').next()) {
                assert!(is_reserved(name), "{name} of {file}");
            }
        }
    }
}
