#!/usr/bin/env bash
# Times /domains/create beside a running nginx with many sites, from the request to the answer of one helper, which includes
# the look at what nginx serves. On a disposable machine, because it adds thousands of users and sites:
#
#   cargo build --release --workspace --bins
#   tests/with-systemd benches/nginx-sites.sh target/release/opterius-operation [SITES]...
#
# From 2,000 sites on, the added sites share one log, so that nginx needs fewer open files than some machines allow.
set -euo pipefail
export LC_ALL=C

helper=$(realpath "$1")
shift
[[ -n ${WITH_SYSTEMD:-} ]] || { echo "It adds users and sites. Run: tests/with-systemd $0 $helper" >&2; exit 1; }
[[ $# -gt 0 ]] || set -- 10 1000 5000

config=/run/agent.conf
(umask 077 && printf 'secret=0123456789abcdef0123456789abcdef\nlog=stderr\n' >"$config")
sed -i '1i worker_rlimit_nofile 65536;' /etc/nginx/nginx.conf
mkdir -p /run/systemd/system/nginx.service.d
printf '[Service]\nLimitNOFILE=65536\nTimeoutStartSec=300\n' >/run/systemd/system/nginx.service.d/limits.conf
systemctl daemon-reload
systemctl start nginx php8.2-fpm

create() { # username
  printf '{"path":"/domains/create","body":{"domain":"%s.example","username":"%s","document_root":"%s","php_version":"8.2"},%s}' \
    "$1" "$1" "/home/$1/$1.example/public_html" '"max_accounts":null,"plan":null,"seconds":110' |
    "$helper" --config "$config"
}

add_sites() { # from, to: copies of the first site, with a user each
  local number log
  for ((number = $1; number < $2; number++)); do
    log="seed$((number < 2000 ? number : 0))"
    sed -e "s#sites/model.example/#sites/$log.example/#; s/model/seed$number/g" /etc/nginx/sites-available/model.example.conf \
      >"/etc/nginx/sites-available/seed$number.example.conf"
    ln -s "/etc/nginx/sites-available/seed$number.example.conf" /etc/nginx/sites-enabled/
    mkdir -p "/var/log/opterius/sites/$log.example"
    printf 'seed%d:x:%d:%d::/home/seed%d:/usr/sbin/nologin\n' "$number" $((710000 + number)) $((710000 + number)) "$number" >>/etc/passwd
    printf 'seed%d:x:%d:\n' "$number" $((710000 + number)) >>/etc/group
    printf 'seed%d:!:19000::::::\n' "$number" >>/etc/shadow
  done
}

milliseconds() { # the times of a command, without its output
  local start=$EPOCHREALTIME
  "$@" >/run/output 2>&1
  echo $(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
}

create model | grep -q '"status":200'
have=0
for sites in "$@"; do
  add_sites "$have" "$sites"
  have=$sites
  printf '%6d sites: nginx -t %d ms' "$sites" "$(milliseconds nginx -t -q)"
  systemctl reload nginx
  # The old workers end before the first measurement.
  timeout 60 sh -c 'while pgrep -f "shutting[ ]down" >/dev/null; do sleep 0.1; done'
  printf '; /domains/create'
  for turn in 1 2 3 4 5; do
    printf ' %d' "$(milliseconds create "new${sites}x$turn")"
    grep -q '"status":200' /run/output || { echo; cat /run/output; exit 1; }
  done
  echo ' ms'
done
