# Shared by the scripts beside it; to be sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
LOCAL=$ROOT/.local
mkdir -p "$LOCAL/run" "$LOCAL/log"

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step "what" command…: runs a command, shows how long it took, and its output only if it fails.
step() {
    local what=$1 started=$SECONDS log
    shift
    log=$LOCAL/log/step.log
    printf '  %-44s' "$what"
    if "$@" >"$log" 2>&1; then
        printf '%3d s\n' $((SECONDS - started))
    else
        printf 'failed\n\n'
        cat "$log" >&2
        exit 1
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else fail "run as root, or install sudo: $*"; fi
}

# apt_install package…: Debian and Ubuntu packages.
apt_install() {
    command -v apt-get >/dev/null || fail "install these by hand, apt-get is not here: $*"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# The packages among "command:package …" whose command is missing.
missing_packages() {
    local pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || printf '%s\n' "${pair#*:}"
    done
}

need_rust() {
    command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
    command -v cargo >/dev/null || fail "a Rust toolchain is needed: https://rustup.rs"
}

install_missing() {
    local packages
    packages=$(missing_packages cc:gcc ld:binutils curl:curl openssl:openssl)
    [ -f /usr/include/stdlib.h ] || [ -n "$(find /usr/include -maxdepth 2 -name stdlib.h -print -quit 2>/dev/null)" ] || packages="$packages libc6-dev"
    # What an image holds of the system.
    [ -d /usr/share/zoneinfo ] || packages="$packages tzdata"
    [ -f /etc/ssl/certs/ca-certificates.crt ] || packages="$packages ca-certificates"
    # shellcheck disable=SC2086
    [ -z "${packages// /}" ] || step "install $(echo $packages)" apt_install $packages
}

# A directory for a private PostgreSQL that its user can reach: under .local/ where that is possible.
postgres_dir() {
    local name=$1 dir=$LOCAL/$1
    mkdir -p "$dir"
    if [ "$(id -u)" = 0 ] && id postgres >/dev/null 2>&1; then
        chown postgres "$dir"
        if ! (cd / && runuser -u postgres -- test -w "$dir"); then
            dir=/var/tmp/bulkhead-$(printf '%s' "$LOCAL" | sha256sum | cut -c1-12)-$name
            mkdir -p "$dir"
        fi
    fi
    printf '%s\n' "$dir"
}

install_postgres() {
    # Debian's package would start a cluster of the system's own.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        printf 'create_main_cluster = false\n' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    apt_install -o Dpkg::Options::=--force-confold postgresql
}

# Debian's packages start their servers when they are installed, unless a policy says no.
apt_install_quietly() {
    local policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && { apt_install "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    local status=0
    apt_install "$@" || status=$?
    as_root rm -f "$policy"
    return "$status"
}

need_haproxy() {
    [ -n "$(PATH=$PATH:/usr/sbin missing_packages haproxy:haproxy)" ] || return 0
    step "install haproxy" apt_install_quietly haproxy
}

need_nginx() {
    [ -n "$(PATH=$PATH:/usr/sbin missing_packages nginx:nginx-light)" ] || return 0
    step "install nginx" apt_install_quietly nginx-light
}

# Counts instructions and allocations, for tests that hold them.
need_valgrind() {
    [ -n "$(missing_packages valgrind:valgrind)" ] || return 0
    step "install valgrind" apt_install valgrind
}

need_postgres() {
    ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 || step "install postgresql" install_postgres
}

# Python environments, one for each state of a lock file: the providers' SDKs, LiteLLM as a proxy and as a
# management client, and the schemas of Kubernetes and compose.
SDK_LOCK=data-plane/tests/sdk/requirements.lock
LITELLM_LOCK=loadtest/tests/litellm/requirements.lock
DEPLOY_LOCK=loadtest/tests/deploy/requirements.lock

# python_env lock: prints the path of its environment.
python_env() {
    local sum
    sum=$(sha256sum "$ROOT/$1" | cut -c1-12)
    printf '%s\n' "$LOCAL/python-$sum"
}

make_python_env() {
    local env
    env=$(python_env "$1")
    # A step is a condition, within which no failure ends the script.
    rm -rf "$env" && python3 -m venv "$env" &&
        "$env/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$ROOT/$1" &&
        touch "$env/complete"
}

# need_python_env lock what
need_python_env() {
    [ -f "$(python_env "$1")/complete" ] && return
    if ! python3 -m venv --help >/dev/null 2>&1 || ! python3 -c 'import ensurepip' 2>/dev/null; then
        step "install python3-venv" apt_install python3 python3-venv
    fi
    step "$2" make_python_env "$1"
}

# What Node needs, a directory for each state of a lock file: the SDKs, and the agents that are tested as clients.
NODE_SDK=data-plane/tests/sdk/node
NODE_AGENTS=data-plane/tests/agents

# node_env [folder]: prints the path of its directory; the SDKs' without a folder.
node_env() {
    local sum
    sum=$(sha256sum "$ROOT/${1:-$NODE_SDK}/package-lock.json" | cut -c1-12)
    printf '%s\n' "$LOCAL/node-$sum"
}

make_node_env() {
    local env
    env=$(node_env "$1")
    rm -rf "$env" && mkdir -p "$env" &&
        cp "$ROOT/$1/package.json" "$ROOT/$1/package-lock.json" "$env" &&
        (cd "$env" && npm ci --ignore-scripts --no-audit --no-fund) &&
        touch "$env/complete"
}

# need_node_env folder what
need_node_env() {
    local packages
    packages=$(missing_packages node:nodejs npm:npm)
    # shellcheck disable=SC2086
    [ -z "$packages" ] || step "install $(echo $packages)" apt_install $packages
    [ -f "$(node_env "$1")/complete" ] || step "$2" make_node_env "$1"
}

# Networks of their own, for tests of programs that talk to their makers, too.
need_network_namespaces() {
    local packages
    packages=$(PATH=$PATH:/usr/sbin:/sbin missing_packages unshare:util-linux ip:iproute2)
    # shellcheck disable=SC2086
    [ -z "$packages" ] || step "install $(echo $packages)" apt_install $packages
}

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The first free port from $1 on.
free_port() {
    local port=$1
    while port_is_taken "$port"; do port=$((port + 1)); done
    printf '%s\n' "$port"
}

# alive name: the process that `make up` started under this name still runs.
alive() {
    local pid exe
    read -r pid exe 2>/dev/null <"$LOCAL/run/$1.pid" || return 1
    [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$exe" ] || [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$exe (deleted)" ]
}

# start name command…: in the background, with a log.
start() {
    local name=$1
    shift
    setsid nohup "$@" >"$LOCAL/log/$name.log" 2>&1 </dev/null &
    printf '%s %s\n' $! "$(readlink -f "$1")" >"$LOCAL/run/$name.pid"
}

# stop name: only what `start` started, and only if it is still that process.
stop() {
    local pid _
    if alive "$1"; then
        read -r pid _ <"$LOCAL/run/$1.pid"
        kill -TERM "$pid"
        for _ in $(seq 400); do
            alive "$1" || break
            sleep 0.1
        done
        alive "$1" && kill -KILL "$pid"
        say "  stopped $1"
    fi
    rm -f "$LOCAL/run/$1.pid"
}

# wait_for url name: until it answers 200, or the process ends.
wait_for() {
    local _
    for _ in $(seq 200); do
        curl -fs -o /dev/null --max-time 2 "$1" && return
        alive "$2" || { cat "$LOCAL/log/$2.log"; return 1; }
        sleep 0.05
    done
    cat "$LOCAL/log/$2.log"
    return 1
}
