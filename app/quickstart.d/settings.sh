# shellcheck shell=bash disable=SC2034,SC2154,SC2004
# SPDX-License-Identifier: ISC
# settings: what quickstart writes below DIR.
#
# DIR/.env is the truth about settings, whoever wrote a line of it last.
# DIR/.state is quickstart's own memory: ports, the programs' place, and which
# services are its own.

declare -A setting=() given=() state=()
demo_mode=no
state_made=''

# --- DIR and its state -----------------------------------------------------

# What is made in DIR, which may have been somebody's before.
our_places=(run log spool fallback nginx carrier tls pg)
# Cut from .env, for each program.
parts=(hooks.env api.env sweep.env)

make_dir() {
	local name
	if [ ! -d "$dir" ]; then
		(umask 077; mkdir -p "$dir") || die "cannot make $dir"
	fi
	# The programs are other users, who have to get in.
	[ "$EUID" -ne 0 ] || chmod 711 "$dir"
	[ ! -e "$dir/.state" ] || return 0
	for name in .env "${parts[@]}" "${our_places[@]}"; do
		[ ! -e "$dir/$name" ] ||
		    die "$dir/$name is there, and not quickstart's"
	done
	(umask 077; : >"$dir/.state")
}

purge_dir() {
	local name
	cd "$dir" || exit
	rm -rf -- .env .env.new .defaults admin.key .state .state.new .lock \
	    "${parts[@]}" "${our_places[@]}"
	cd /
	rmdir -- "$dir" 2>/dev/null ||
	    say "$dir has files that are not quickstart's: left there"
}

load_state() {
	local line
	[ -e "$dir/.state" ] || return 0
	state_made=yes
	while IFS= read -r line; do
		state[${line%%=*}]=${line#*=}
	done <"$dir/.state"
	bindir=${state[BINDIR]-}
}

save_state() {
	local key
	for key in "${!state[@]}"; do
		printf '%s=%s\n' "$key" "${state[$key]}"
	done | sort >"$dir/.state.new"
	mv "$dir/.state.new" "$dir/.state"
}

require_made() {
	load_state
	[ -n "$state_made" ] && [ -e "$dir/.env" ] && return
	die "nothing runs in $dir: app/quickstart up --dir $dir"
}

require_up() {
	require_made
	running postgres || ! service_wanted postgres ||
	    die "$dir is down: app/quickstart up --dir $dir"
	running nginx || die "$dir is down: app/quickstart up --dir $dir"
}

require_carrier() {
	require_up
	service_wanted carrier ||
	    die "$dir uses the Twilio in $dir/.env: no stand-in to call from"
	running carrier || die "the stand-in carrier died: app/quickstart up"
}

# --- reading and writing env files -----------------------------------------

# read_env FILE ARRAY, as the programs read it (ringback(5)).
read_env() {
	local line name value quote number=0
	local -n into=$2
	[ -r "$1" ] || die "cannot read $1"
	while IFS= read -r line || [ -n "$line" ]; do
		number=$((number + 1))
		[[ $line =~ ^[[:space:]]*(#|$) ]] && continue
		[[ $line =~ ^[[:space:]]*(export\ )?([A-Za-z0-9_]+)=(.*)$ ]] ||
		    die "$1 line $number: not NAME=value"
		name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
		case $value in
		[\'\"]*)
			quote=${value:0:1} value=${value:1}
			[[ $value = *"$quote"* ]] ||
			    die "$1 line $number: no closing quote"
			value=${value%%"$quote"*}
			;;
		*)
			value=${value%%" #"*}
			value=${value%"${value##*[![:space:]]}"}
			;;
		esac
		into[$name]=$value
	done <"$1"
}

# Quoted only where the programs, or a shell, would read it otherwise.
env_line() {
	case $2 in
	*[!A-Za-z0-9_./:@?=,+%~-]*)
		case $2 in
		*\'*)	printf '%s="%s"\n' "$1" "$2" ;;
		*)	printf "%s='%s'\n" "$1" "$2" ;;
		esac
		;;
	*)	printf '%s=%s\n' "$1" "$2" ;;
	esac
}

# Nothing is replaced by settings that the programs would refuse.
write_env() {
	local name
	{
		echo "# Settings in force; ringback(5) says what they mean."
		echo "# Change one and run app/quickstart up --dir $dir again."
		for name in $(printf '%s\n' "${!setting[@]}" | sort); do
			env_line "$name" "${setting[$name]}"
		done
	} >"$dir/.env.new"
	chmod 600 "$dir/.env.new"
	check_settings "$dir/.env.new"
	defaults "$dir/.env.new" >"$dir/.defaults"
	cat "$dir/.defaults" >>"$dir/.env.new"
	give postgres: "$dir/.env.new"
	replace "$dir/.env"
	admin -f "$dir/.env" config --split
}

admin() {
	env -i "${clean_env[@]}" "$bindir/ringback-admin" "$@"
}

# Says all that is wrong with them, before anything starts.
check_settings() {
	local program
	[ -x "$bindir/ringback-admin" ] || return 0
	for program in hooks api sweep; do
		admin -f "$1" config --check "$program" >/dev/null || {
			rm -f "$1"
			die "those settings will not do"
		}
	done
}

# What FILE does not say, as it is in force all the same.
defaults() {
	local line
	[ -x "$bindir/ringback-admin" ] || return 0
	echo "# Everything else is as it comes:"
	admin -f "$1" config | while IFS= read -r line; do
		case ${setting[${line%%=*}]+set}${line#*=} in
		set* | '(set)')	;;
		'')	echo "#$line" ;;
		*)	env_line "${line%%=*}" "${line#*=}" ;;
		esac
	done
}

# replace FILE: FILE.new becomes FILE; changed=yes if that changes anything.
replace() {
	if cmp -s "$1.new" "$1"; then
		rm "$1.new"
	else
		mv "$1.new" "$1"
		changed=yes
	fi
}

# --- what runs, and with which settings ------------------------------------

# Decides which services are quickstart's own: a stand-in only where the
# settings do not name the real thing.  A line in DIR/.env that points at our
# own stand-in is not the user's.
choose() {
	local services=()
	if [ -e "$dir/.env" ]; then
		read_env "$dir/.env" given
		forget_own
		forget_defaults
	fi
	[ -z "$env_file" ] || read_env "$env_file" given
	[ "$demo_mode" = no ] || set_aside DATABASE_URL SPOOL_DIR FALLBACK_DIR
	port=${port:-${state[PORT]:-8443}}
	workers=${workers:-${state[WORKERS]:-2}}
	schedule=${schedule:-${state[SCHEDULE]:-yes}}

	[ -n "${given[DATABASE_URL]-}" ] || services+=(postgres)
	# For a script's `up` an account and a token are just what to sign with;
	# in the demonstration's .env they are somebody's real ones.
	[ "$demo_mode" = no ] || [ -n "${given[TWILIO_API_BASE_URL]-}" ] ||
	    [ -z "${given[TWILIO_ACCOUNT_SID]-}" ] ||
	    [ -z "${given[TWILIO_AUTH_TOKEN]-}" ] ||
	    given[TWILIO_API_BASE_URL]=https://api.twilio.com
	[ -n "${given[TWILIO_API_BASE_URL]-}" ] || services+=(carrier)
	[ -n "${given[LLM_BASE_URL]-}${given[LLM_API_KEY]-}" ] || {
		[ -n "${given[OPENAI_API_KEY]-}" ] &&
		    [ -z "${given[OPENAI_BASE_URL]-}" ]
	} || services+=(analyst)
	[ -n "${given[OPENAI_BASE_URL]-}${given[OPENAI_API_KEY]-}" ] ||
	    services+=(speech)
	services+=(nginx worker-hooks worker-api)
	[ "$schedule" = no ] || services+=(schedule)
	state[SERVICES]=${services[*]}
	[ "$demo_mode" = no ] || ! service_wanted carrier ||
	    set_aside WEBHOOK_BASE_URL
}

# A demonstration leaves alone what may be in real use.
set_aside() {
	local name
	for name in "$@"; do
		[ -z "${given[$name]-}" ] || say "the demo does not use $name"
		unset "given[$name]"
	done
}

# Drops from given what an earlier run set for its own services.
forget_own() {
	local name names
	read -ra names <<<"${state[OWN]-}"
	for name in "${names[@]}"; do
		[ "${given[${name%%=*}]-}" != "${name#*=}" ] ||
		    unset "given[${name%%=*}]"
	done
}

# Nor is a default that we wrote out somebody's wish.
forget_defaults() {
	local name
	local -A written=()
	[ -e "$dir/.defaults" ] || return 0
	read_env "$dir/.defaults" written
	for name in "${!written[@]}"; do
		[ "${given[$name]-}" != "${written[$name]}" ] ||
		    unset "given[$name]"
	done
}

service_wanted() {
	[[ " ${state[SERVICES]-} " = *" $1 "* ]]
}

# own NAME VALUE: a setting that quickstart makes unless it was given.
own() {
	[ -z "${given[$1]-}" ] || return 0
	setting[$1]=$2
	state[OWN]+="$1=$2 "
}

random_hex() {
	openssl rand -hex "$1"
}

# Fills in setting[] and writes DIR/.env.  The account and its token are made
# up once and stay: the carrier's records are of that account.
make_settings() {
	local name
	sockets_dir
	state[OWN]=''
	own WEBHOOK_BASE_URL "https://127.0.0.1:$port"
	own DATABASE_URL "postgresql://ringback@/ringback?host=$sockets"
	! service_wanted postgres || for name in hooks api sweep; do
		own "DATABASE_URL_${name^^}" \
		    "postgresql://ringback-$name@/ringback?host=$sockets"
	done
	own SPOOL_DIR "$dir/spool"
	own FALLBACK_DIR "$dir/fallback"
	own METRICS_FILE "$dir/run/metrics"
	if service_wanted carrier; then
		own TWILIO_API_BASE_URL "http://127.0.0.1:${state[carrier]}"
	fi
	case ${setting[TWILIO_API_BASE_URL]-${given[TWILIO_API_BASE_URL]-}} in
	http://*)	# on this machine, so any number will do
		own TWILIO_PHONE_NUMBER +18454090692
		own TWILIO_PHONE_NUMBER_SID PN8d691d0762f6c7ffbdf3ca4269aa2b91
		;;
	esac
	if service_wanted speech; then
		own OPENAI_BASE_URL "http://127.0.0.1:${state[speech]}/v1"
		own TRANSCRIBE_MODEL base.en
		# It takes one at a time, some 8 s of speech in a second: parts
		# of four minutes come back long before the sweep gives up.
		own SWEEP_JOBS 1
		own TRANSCRIBE_MAX_BYTES 1000000
	fi
	if service_wanted analyst; then
		own LLM_BASE_URL "http://127.0.0.1:${state[analyst]}/v1"
		own LLM_MODEL rule-based-analyst
	fi
	: "${state[ACCOUNT_SID]:=AC$(random_hex 16)}"
	: "${state[AUTH_TOKEN]:=$(random_hex 16)}"
	own TWILIO_ACCOUNT_SID "${state[ACCOUNT_SID]}"
	own TWILIO_AUTH_TOKEN "${state[AUTH_TOKEN]}"
	for name in "${!given[@]}"; do
		setting[$name]=${given[$name]}
	done
	write_env
}

# The address of a unix socket has room for 107 bytes; a longer DIR is reached
# by a short name, which down removes.
sockets_dir() {
	sockets=$dir/run
	if [ ${#sockets} -gt 80 ]; then
		[ -n "${state[LINK]-}" ] ||
		    state[LINK]=/tmp/ringback-$(random_hex 6)
		ln -sfn "$dir/run" "${state[LINK]}"
		sockets=${state[LINK]}
	fi
}

# place NAME MODE OWNER:GROUP, as root; otherwise 0700 and ours.
place() {
	mkdir -p "$dir/$1"
	[ "$EUID" -eq 0 ] || { chmod 700 "$dir/$1"; return; }
	chown "$3" "$dir/$1"
	chmod "$2" "$dir/$1"
}

# What app/tmpfiles.d makes in production, and what is only here.
make_places() {
	place spool	2770	root:ringback-spool
	place fallback	2370	www-data:ringback-sweep
	place run	0711	postgres:
	place log	0770	root:www-data
	place nginx	0700	www-data:
	place tls	0711	root:
	place carrier	0700	postgres:
	place pg	0700	postgres:
	[ -e "$dir/run/metrics" ] || : >"$dir/run/metrics"
	give root:ringback-spool "$dir/run/metrics"
	chmod 660 "$dir/run/metrics"
}

make_certificate() {
	[ ! -e "$dir/tls/cert.pem" ] || return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	    -nodes -days 3650 -subj /CN=127.0.0.1 \
	    -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
	    -keyout "$dir/tls/key.pem" -out "$dir/tls/cert.pem" 2>/dev/null
	chmod 600 "$dir/tls/key.pem"
	chmod 644 "$dir/tls/cert.pem"
	give www-data: "$dir/tls/key.pem"
}

# Whoever signs for a public name asks nginx for that name.
server_names() {
	local host=${setting[WEBHOOK_BASE_URL]#*://}
	printf '%s\n' 127.0.0.1 localhost "${host%%[:/]*}" | sort -u | xargs
}

make_nginx_conf() {
	local names
	names=$(server_names)
	cp -R "$top/nginx/fastcgi.conf" "$top/nginx/hook.conf" \
	    "$top/nginx/fallback" "$dir/nginx/"
	sed -e "s|@DIR@|$dir|g" "$top/nginx/nginx.conf.in" \
	    >"$dir/nginx/nginx.conf.new"
	sed -e "s|@LISTEN@|127.0.0.1:$port|g" \
	    -e "s|@SERVER_NAME@|$names|g" \
	    -e "s|@CERT@|$dir/tls/cert.pem|g" \
	    -e "s|@KEY@|$dir/tls/key.pem|g" \
	    -e "s|@HOOKS_SOCKET@|$sockets/hooks.sock|g" \
	    -e "s|@API_SOCKET@|$sockets/api.sock|g" \
	    -e "s|@NGINX_DIR@|$dir/nginx|g" \
	    -e "s|@FALLBACK_DIR@|$dir/fallback|g" \
	    -e "s|@ACCESS_LOG@|$dir/log/access.log|g" \
	    -e "s|@ERROR_LOG@|$dir/log/nginx-error.log|g" \
	    "$top/nginx/ringback.conf.in" >"$dir/nginx/ringback.conf.new"
	replace "$dir/nginx/nginx.conf"
	replace "$dir/nginx/ringback.conf"
	give -R www-data: "$dir/nginx"
}

# Sets database_url, and PGPASSWORD where the URL has a password: a command
# line is no place for one.
database() {
	local rest
	read_env "$dir/.env" setting
	database_url=${setting[DATABASE_URL]}
	if [[ $database_url =~ ^([a-z]+://[^:@/]*):([^@/]*)(@.*)$ ]]; then
		rest=${BASH_REMATCH[2]}
		database_url=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
		PGPASSWORD=$(printf '%b' "${rest//%/\\x}")
		export PGPASSWORD
	fi
}
