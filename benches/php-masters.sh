#!/bin/bash
# Memory and latency of PHP: a master for each account, beside one shared master with a pool for each site.
# Run it as root on a disposable machine with nginx, php8.2-fpm and python3, after cargo build --workspace --bins:
#   tests/with-systemd -- benches/php-masters.sh [ACCOUNTS]
# PSS counts memory that processes share only once.
set -euo pipefail
[[ -n ${WITH_SYSTEMD:-} ]] || { echo "It creates accounts. Run: tests/with-systemd -- $0" >&2; exit 1; }
count=${1:-20}
helper=$(realpath "$(dirname "$0")/../target/debug/opterius-operation")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
config=$work/agent.conf
printf 'secret=0123456789012345678901234567890123456789\n' >"$config"
chmod 600 "$config"; chmod 755 "$work"
getent group opterius >/dev/null || groupadd -r opterius
systemctl start nginx php8.2-fpm

started=$SECONDS
for i in $(seq "$count"); do
  root=/home/user$i/s$i.example/public_html
  echo "{\"path\":\"/domains/create\",\"body\":{\"domain\":\"s$i.example\",\"document_root\":\"$root\",\"username\":\"user$i\",\"php_version\":\"8.2\"},\"max_accounts\":null,\"plan\":\"x\",\"seconds\":100}" |
    "$helper" --config "$config" >"$work/answer" 2>&1 || true
  grep -q '"status":200' "$work/answer" || { cat "$work/answer" >&2; exit 1; }
  echo '<?php echo "hello";' >"$root/h.php"
  chmod 644 "$root/h.php"; chown "user$i" "$root/h.php"
done
echo "created $count accounts in $((SECONDS - started)) s"

memory() { # memory own|shared WHEN
  python3 - "$1" "$2" <<'P'
import glob, sys
kind, when = sys.argv[1:]
total = processes = 0
for process in glob.glob('/proc/[0-9]*'):
    try:
        command = open(process + '/cmdline', 'rb').read().decode(errors='replace')
        shared = '/etc/php/8.2/fpm/php-fpm.conf' in command or 'pool sh' in command or 'pool www' in command
        if not command.startswith('php-fpm') or shared != (kind == 'shared'): continue
        lines = open(process + '/smaps_rollup').read().splitlines()
    except OSError: continue  # It has ended.
    processes += 1
    total += sum(int(line.split()[1]) for line in lines if line.startswith('Pss:'))
print(f'{kind}, {when}: {processes} processes, {total / 1024:.1f} MiB PSS')
P
}
latency() { # latency own|shared SITES
  python3 - "$1" "$2" <<'P'
import socket, struct, sys, time
def record(kind, body): return struct.pack('>BBHHBB', 1, kind, 1, len(body), 0, 0) + body
def pair(name, value):
    name, value = name.encode(), value.encode()
    size = lambda n: bytes([n]) if n < 128 else struct.pack('>I', n | 0x80000000)
    return size(len(name)) + size(len(value)) + name + value
kind, count = sys.argv[1], int(sys.argv[2])
def ask(i):
    start = time.perf_counter()
    path = f'/run/opterius-php/8.2/user{i}.sock' if kind == 'own' else f'/run/php/sh{i}.sock'
    connection = socket.socket(socket.AF_UNIX); connection.settimeout(30); connection.connect(path)
    values = {'SCRIPT_NAME': '/h.php', 'SCRIPT_FILENAME': f'/home/user{i}/s{i}.example/public_html/h.php',
              'REQUEST_METHOD': 'GET', 'SERVER_PROTOCOL': 'HTTP/1.1'}
    body = b''.join(pair(*item) for item in values.items())
    connection.sendall(record(1, struct.pack('>HB5x', 1, 0)) + record(4, body) + record(4, b'') + record(5, b''))
    answer = b''
    while part := connection.recv(65536): answer += part
    assert b'hello' in answer, answer
    return (time.perf_counter() - start) * 1000
at = lambda times, share: times[min(len(times) - 1, int(len(times) * share))]
first = sorted(ask(i) for i in range(1, count + 1))
warm = sorted(ask(i) for _ in range(200 // count + 5) for i in range(1, count + 1))
print(f'{kind}, {count} sites: first request p50 {at(first, .5):.1f}, max {first[-1]:.1f} ms; '
      f'then p50 {at(warm, .5):.2f}, p99 {at(warm, .99):.2f} ms of {len(warm)}')
P
}
busy=$(((count + 9) / 10))
memory own "right after creation"
systemctl stop 'opterius-php-*@*.service' 2>/dev/null
memory own idle
latency own "$busy"
memory own "a tenth busy"
for i in $(seq "$count"); do
  printf '[sh%d]\nuser=user%d\ngroup=user%d\nlisten=/run/php/sh%d.sock\npm=ondemand\npm.max_children=10\n' "$i" "$i" "$i" "$i" >"/etc/php/8.2/fpm/pool.d/sh$i.conf"
done
# Stops the accounts' masters, too.
systemctl restart php8.2-fpm
memory shared idle
latency shared "$busy"
memory shared "a tenth busy"
