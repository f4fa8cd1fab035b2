# shellcheck shell=bash disable=SC2034,SC2154,SC2004
# SPDX-License-Identifier: ISC
# services: the processes below DIR: which are ours, starting, stopping.
#
# Each service has a pid file in DIR/run.  What a pid file lost track of (a
# worker whose supervisor was killed, a sweep at work) is found by a mark in
# its environment, so that nothing outlives down.

all_services=(nginx postgres worker-hooks worker-api schedule carrier analyst
    speech)

# --- which processes are ours ----------------------------------------------

# our_pids [PID...]: which of those, or of all processes, belong to DIR.
# nginx and PostgreSQL write over their environment, so they are known by
# where they run; a process that hides its environment, by its settings file.
our_pids() {
	local file
	local -a procs=("${@/#//proc/}") of_dir=(-e "$dir/.env")
	of_dir+=("${parts[@]/#/-e$dir/}")
	[ $# -gt 0 ] || procs=(/proc/[0-9]*)
	{
		grep -lzxF "RINGBACK_QUICKSTART=$dir" "${procs[@]/%//environ}" || :
		{ grep -lzxF "${of_dir[@]}" "${procs[@]/%//cmdline}" || :; } |
		    while read -r file; do
			grep -lE '^ringback-' "${file%/*}/comm" || :
		done
		{ grep -lxE 'nginx|postgres' "${procs[@]/%//comm}" || :; } |
		    while read -r file; do
			[ "${file%/*}/cwd" -ef "$dir/run" ] ||
			    [ "${file%/*}/cwd" -ef "$dir/pg" ] || continue
			echo "$file"
		done
	} 2>/dev/null | cut -d/ -f3 | sort -un
}

# A pid file may outlive its process, and the pid be somebody else's by now.
running() {
	local pid
	pid=$(pid_of "$1") && [ -n "$(our_pids "$pid")" ] &&
	    [ -n "$(alive "$pid")" ]
}

pid_of() {
	[ -s "$dir/run/$1.pid" ] && cat "$dir/run/$1.pid"
}

# Which of these processes run; a zombie does not.
alive() {
	local pid
	for pid in "$@"; do
		! grep -qs '^State:[[:space:]]*[A-WY]' "/proc/$pid/status" ||
		    echo "$pid"
	done
}

# workers SERVICE: the pids of its workers, whether its head still lives or
# not: a pool's, or nginx's own.
workers() {
	local pid words
	for pid in $(our_pids); do
		mapfile -d '' -t words <"/proc/$pid/cmdline" || continue
		case "$1 ${words[0]-} ${words[-1]-}" in
		"nginx nginx: "* | \
		    "worker-hooks "*"/ringback-worker hooks" | \
		    "worker-api "*"/ringback-worker api")
			echo "$pid"
			;;
		esac
	done 2>/dev/null
}

# --- starting --------------------------------------------------------------

# start NAME USER COMMAND...: as as_USER, which root is not, in a session of its
# own, with nothing of ours open, and with no variable but clean_env and the
# mark.
start() {
	local name=$1
	local -n as=as_$2
	shift 2
	(
		cd "$dir/run" || exit
		exec 7>&- 8>&- 9>&-
		# What nginx keeps is for the sweep's group to read.
		[ "$name" != nginx ] || umask 027
		exec setsid env -i --default-signal "${clean_env[@]}" \
		    "RINGBACK_QUICKSTART=$dir" "${as[@]}" "$@" \
		    </dev/null >>"$dir/log/$name.log" 2>&1
	) &
	echo $! >"$dir/run/$name.pid"
}

start_postgres() {
	local lock
	if [ ! -e "$dir/pg/PG_VERSION" ]; then
		say "making a database cluster"
		(cd "$dir/run" && env -i "${clean_env[@]}" "${as_others[@]}" \
		    "$pg_bin/initdb" -D "$dir/pg" -U postgres -A trust \
		    -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions) \
		    >>"$dir/log/postgres.log" 2>&1 ||
		    { tail "$dir/log/postgres.log" >&2; die "initdb failed"; }
	fi
	# Killed, but not yet buried by init, it would still pass for alive.
	for lock in "$dir/pg/postmaster.pid" "$dir/run/.s.PGSQL.5432.lock"; do
		[ ! -e "$lock" ] || [ -n "$(alive "$(head -n 1 "$lock")")" ] ||
		    rm -f "$lock"
	done
	# An eighth of the memory is for pages.  A SID lies anywhere in an index,
	# so among millions each webhook finds another page, and after each
	# checkpoint logs it whole: there is time for one until the clock asks.
	# Error lines carry no values: a log is no place for a number.
	cat >"$dir/pg/ringback.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$sockets'
		max_connections = 100
		shared_buffers = $(eighth_of_memory)MB
		max_wal_size = 4GB
		jit = off
		timezone = UTC
		log_error_verbosity = terse
		log_min_error_statement = panic
		cluster_name = ringback
	CONF
	give postgres: "$dir/pg/ringback.conf"
	grep -q "^include 'ringback.conf'" "$dir/pg/postgresql.conf" ||
	    echo "include 'ringback.conf'" >>"$dir/pg/postgresql.conf"
	start postgres others "$pg_bin/postgres" -D "$dir/pg"
	wait_for postgres pg_isready -q -h "$sockets" -U postgres -d postgres
}

make_database() {
	local admin=(psql -X -q -h "$sockets" -U postgres -d postgres -At)
	unset PGPORT PGHOST PGUSER PGDATABASE PGPASSWORD PGOPTIONS
	"${admin[@]}" -c "select 1 from pg_roles where rolname = 'ringback'" |
	    grep -q 1 || "${admin[@]}" -c 'create role ringback login'
	"${admin[@]}" -c "select 1 from pg_database where datname = 'ringback'" |
	    grep -q 1 || "${admin[@]}" -c 'create database ringback owner ringback'
}

# The order is the guide's; all of it may be run again at any time.
apply_schema() {
	local file
	database
	for file in "$top/schema/create_transcriptions_table.sql" \
	    "$top/schema/create_twilio_tables.sql" "$top"/schema/[0-9]*.sql; do
		[ ! -e "$file" ] || run_sql "$file" "$database_url"
	done
	# A database of somebody else's has the roles that it has.
	! service_wanted postgres || run_sql "$top/schema/roles.sql" \
	    "postgresql://postgres@/ringback?host=$sockets"
}

run_sql() {
	PGOPTIONS='-c client_min_messages=warning' psql -X -q \
	    -v ON_ERROR_STOP=1 "$2" <"$1" >"$dir/log/schema.log" 2>&1 || {
		cat "$dir/log/schema.log" >&2
		die "${1##*/} failed"
	}
}

# What an administrator's first request needs.
make_admin_key() {
	[ -x "$bindir/ringback-admin" ] || return 0
	[ ! -e "$dir/admin.key" ] || return 0
	admin -f "$dir/.env" key add --name quickstart \
	    >"$dir/admin.key.new" 2>"$dir/log/admin.log" || {
		cat "$dir/log/admin.log" >&2
		die "no administrator's key could be made"
	}
	mv "$dir/admin.key.new" "$dir/admin.key"
	give postgres: "$dir/admin.key"
}

start_carrier() {
	start carrier others "$top/t/standin/carrier" --env "$dir/.env" \
	    --listen "127.0.0.1:${state[carrier]}" --state "$dir/carrier" \
	    --ca "$dir/tls/cert.pem"
	wait_for carrier listening "${state[carrier]}"
}

start_analyst() {
	start analyst others "$top/t/standin/analyst" \
	    --listen "127.0.0.1:${state[analyst]}"
	wait_for analyst listening "${state[analyst]}"
}

start_speech() {
	start speech others "$top/app/speech" serve --threads "$(nproc)" \
	    --listen "127.0.0.1:${state[speech]}"
	wait_for speech http_ok "http://127.0.0.1:${state[speech]}/health"
}

# spawn-fcgi makes the socket, which nginx alone may use. What starting frees is
# to be used again: see ringback-worker(8).
start_pool() {
	local -n prefix=as_$1
	local -a socket=(-s "$sockets/$1.sock" -M 0660)
	local tunables=glibc.malloc.tcache_max=512:glibc.malloc.tcache_count=16
	[ "$EUID" -ne 0 ] || socket+=(-U "ringback-$1" -G www-data)
	rm -f "$sockets/$1.sock"
	start "worker-$1" root env "GLIBC_TUNABLES=$tunables" \
	    spawn-fcgi -n "${socket[@]}" -- "${prefix[@]}" \
	    "$(command -v multiwatch)" -f "$workers" -r 1000000 -s TERM -- \
	    "$bindir/ringback-worker" -f "$dir/$1.env" "$1"
	wait_for "worker-$1" test -S "$sockets/$1.sock"
}

start_worker-hooks() {
	start_pool hooks
}

start_worker-api() {
	start_pool api
}

start_nginx() {
	start nginx nginx nginx -e "$dir/log/nginx-error.log" -p "$dir/nginx" \
	    -c "$dir/nginx/nginx.conf"
	wait_for nginx listening "$port"
}

# What cron does in production: a pass a minute, at the full minute.
start_schedule() {
	# shellcheck disable=SC2016
	start schedule sweep bash -c '
		while sleep $((60 - $(date +%-S))); do
			"$1" -f "$2" >&3 2>&1
		done' schedule "$bindir/ringback-sweep" "$dir/sweep.env" \
	    3>>"$dir/log/sweep.log"
}

# --- waiting ---------------------------------------------------------------

# wait_for SERVICE COMMAND...: until COMMAND succeeds; not if the service dies.
wait_for() {
	local name=$1 deadline=$((SECONDS + 60)) pid
	shift
	pid=$(pid_of "$name")
	while [ $SECONDS -lt $deadline ]; do
		! "$@" >/dev/null 2>&1 || return 0
		[ -n "$(alive "$pid")" ] || break
		sleep 0.1
	done
	tail -n 15 "$dir/log/$name.log" >&2
	die "$name did not come up; all it said is in $dir/log/$name.log"
}

listening() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

http_ok() {
	curl -sf --noproxy '*' --max-time 5 -o /dev/null "$1"
}

# An answer of a worker's own, whatever it says: nginx alone answers 502 to
# 504 for the api, and 503 for the unsigned callback that a worker refuses.
worker_answers() {
	local code
	code=$(curl -s --noproxy '*' --cacert "$dir/tls/cert.pem" \
	    --max-time 15 -o /dev/null -w '%{http_code}' "$@") &&
	    [ "$code" -lt 502 ]
}

wait_ready() {
	local base=https://127.0.0.1:$port
	wait_for worker-api worker_answers "$base/healthz"
	wait_for worker-hooks worker_answers -d '' "$base/api/twilio/status"
}

# --- stopping --------------------------------------------------------------

# see_off SECONDS PID...: waits until they are gone, then makes them go.
see_off() {
	local tries=$(($1 * 10))
	shift
	# Something stopped cannot obey.
	kill -CONT "$@" 2>/dev/null || :
	while [ "$tries" -gt 0 ] && [ -n "$(alive "$@")" ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	kill -KILL "$@" 2>/dev/null || :
}

# stop NAME...: each in the way that loses nothing, with its workers.  They are
# told by their head, which would start others for those that somebody else
# ended; only orphans are told directly.
stop() {
	local name signal pids
	for name in "$@"; do
		mapfile -t pids < <(workers "$name")
		! running "$name" || pids=("$(pid_of "$name")" "${pids[@]}")
		case $name in
		nginx)		signal=QUIT ;;
		postgres)	signal=INT ;;
		*)		signal=TERM ;;
		esac
		if running "$name"; then
			kill -"$signal" "${pids[0]}" 2>/dev/null || :
		elif [ ${#pids[@]} -gt 0 ]; then
			kill -"$signal" "${pids[@]}" 2>/dev/null || :
		fi
		[ ${#pids[@]} -eq 0 ] || see_off 12 "${pids[@]}"
		rm -f "$dir/run/$name.pid"
	done
}

stop_all() {
	local pids
	stop schedule nginx worker-hooks worker-api carrier analyst speech
	stop postgres
	# Whatever no pid file knows of; twice, for what it was just starting.
	for _ in 1 2; do
		mapfile -t pids < <(our_pids)
		[ ${#pids[@]} -gt 0 ] || break
		kill -TERM "${pids[@]}" 2>/dev/null || :
		see_off 5 "${pids[@]}"
	done
	[ -z "${state[LINK]-}" ] || rm -f "${state[LINK]}"
	rm -f "$dir/run/"*.sock
}

# --- all of it -------------------------------------------------------------

port_is_free() {
	if ! running nginx; then
		stop nginx
	elif [ "$port" = "${state[PORT]-}" ]; then
		return
	fi
	! listening "$port" || die "port $port is in use; choose another: --port"
}

# Ports for our own services: kept from last time where they are still free.
# The lock is held until they listen, or another quickstart could pick them.
pick_ports() {
	local name
	exec 9>"/tmp/ringback-ports-$EUID.lock"
	flock 9
	for name in carrier analyst speech; do
		service_wanted "$name" || continue
		running "$name" && continue
		while [ -z "${state[$name]-}" ] || listening "${state[$name]}"
		do
			state[$name]=$((20000 + RANDOM % 10000))
		done
	done
}

program_id() {
	stat -L -c %i-%Y "$bindir/ringback-worker"
}

# Stops what runs with other settings, programs or numbers than it should.
stop_outdated() {
	local name
	for name in "${all_services[@]}"; do
		service_wanted "$name" || ! running "$name" || stop "$name"
	done
	# Workers do not let others see what program they are.
	[ "${state[PROGRAM]-}" = "$(program_id)" ] || changed=yes
	[ "${state[WORKERS]-}" = "$workers" ] || changed=yes
	[ "${state[BINDIR]-}" = "$bindir" ] || changed=yes
	[ "$changed" = no ] ||
	    stop schedule nginx worker-hooks worker-api carrier
}

ensure() {
	service_wanted "$1" && ! running "$1" || return 0
	say "starting $1"
	stop "$1"
	"start_$1"
}

bring_up() {
	changed=no
	port_is_free
	umask 077
	trap failed EXIT
	make_places
	pick_ports
	make_settings
	make_certificate
	make_nginx_conf
	stop_outdated
	state[PORT]=$port state[WORKERS]=$workers state[SCHEDULE]=$schedule
	state[BINDIR]=$bindir state[PROGRAM]=$(program_id)
	save_state
	ensure carrier
	ensure analyst
	ensure speech
	exec 9>&-
	ensure postgres
	! service_wanted postgres || make_database
	apply_schema
	make_admin_key
	ensure worker-hooks
	ensure worker-api
	ensure nginx
	wait_ready
	ensure schedule
	trap - EXIT
}

# Half of it is no use to anybody.
failed() {
	say "stopping what was started"
	stop_all
}

# --- status ----------------------------------------------------------------

status_line() {
	printf '%s %s %s\n' "$1" "${2:--}" "$3"
	[ "$3" = running ] || healthy=no
}

status_pool() {
	local name=$1 pid state_now=running count=0
	running "$name" || state_now=orphaned
	for pid in $(workers "$name"); do
		status_line "$name" "$pid" "$state_now"
		count=$((count + 1))
	done
	for ((; count < state[WORKERS]; count++)); do
		status_line "$name" '' dead
	done
}

status() {
	local name healthy=yes
	for name in "${all_services[@]}"; do
		service_wanted "$name" || continue
		case $name in
		worker-*)
			status_pool "$name"
			;;
		*)
			if running "$name"; then
				status_line "$name" "$(pid_of "$name")" running
			else
				status_line "$name" '' dead
			fi
			;;
		esac
	done
	[ "$healthy" = yes ]
}
