#!/bin/sh
# Runs a RabbitMQ of its own for tests: on loopback only, with everything in one folder, until the standard input ends.
# usage: broker.sh FOLDER PORT TLS-PORT EPMD-PORT DISTRIBUTION-PORT AUTHORITY
# Reads `start` and `kill` (at once, as a crash would), line by line, and says `done` after each.
set -euf

folder=$1 port=$2 tls_port=$3 epmd_port=$4 distribution_port=$5 authority=$6
home=/usr/lib/rabbitmq
[ -x $home/bin/rabbitmq-server ] || home=/usr/lib/rabbitmq/lib/current
mkdir -p "$folder/home" "$folder/mnesia"
od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >"$folder/home/.erlang.cookie"
chmod 400 "$folder/home/.erlang.cookie"
cat >"$folder/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$port
listeners.ssl.1 = 127.0.0.1:$tls_port
ssl_options.cacertfile = $authority/ca.crt
ssl_options.certfile = $authority/broker.crt
ssl_options.keyfile = $authority/broker.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
END
echo '[rabbitmq_auth_mechanism_ssl].' >"$folder/plugins"

# The program itself, past the wrapper of the distribution, which insists on a user of its own.
export HOME="$folder/home" RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_NODENAME="rida$port@localhost"
export RABBITMQ_MNESIA_BASE="$folder/mnesia" RABBITMQ_LOGS=- RABBITMQ_LOG_BASE="$folder"
export RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$folder/none"
export RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins" RABBITMQ_GENERATED_CONFIG_DIR="$folder/generated"
export RABBITMQ_FEATURE_FLAGS_FILE="$folder/flags" RABBITMQ_PID_FILE="$folder/pid" RABBITMQ_DIST_PORT=$distribution_port
export ERL_EPMD_PORT=$epmd_port ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP_SECONDS=0 LC_ALL=C.UTF-8
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"

server=
setsid epmd -address 127.0.0.1 -port "$epmd_port" >/dev/null 2>&1 </dev/null &
epmd=$!
# Before the server, which would start one that nobody ends.
until epmd -port "$epmd_port" -names >/dev/null 2>&1; do
    kill -0 "$epmd"
    sleep 0.1
done

end() {
    # The whole group: the program is a child of its script.
    [ -z "$server" ] || kill -s KILL -- "-$server"
    server=
}
trap 'end; kill "$epmd" 2>/dev/null || true' EXIT INT TERM

while read -r order rest; do
    case $order in
    start)
        setsid $home/bin/rabbitmq-server >>"$folder/log" 2>&1 </dev/null &
        server=$!
        ;;
    kill) end ;;
    control)
        # shellcheck disable=SC2086 # the words are to be split
        $home/bin/rabbitmqctl --quiet $rest </dev/null >&2 || echo "rabbitmqctl $rest failed" >&2
        ;;
    esac
    echo done
done
