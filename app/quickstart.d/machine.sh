# shellcheck shell=bash disable=SC2034,SC2154,SC2004
# SPDX-License-Identifier: ISC
# machine: Debian packages, the build, and the account everything runs as.

pg_bin=/usr/lib/postgresql/15/bin

# What a purpose needs: package names, or "command:package" where any package
# that brings the command will do.
build_packages="autoconf automake make:make gcc:gcc libc6-dev
    pkg-config:pkg-config libfcgi-dev libcurl4-openssl-dev libcjson-dev
    libpq-dev libssl-dev libseccomp-dev"
run_packages="nginx:nginx-light spawn-fcgi multiwatch openssl:openssl curl:curl
    postgresql-15 postgresql-client-15"
standin_packages="perl:perl libmojolicious-perl"
carrier_packages="libio-socket-ssl-perl libxml-libxml-perl flite:flite sox:sox
    lame:lame"
speech_packages="cmake:cmake g++:g++ make:make npm:npm"

packages_wanted() {
	echo "$run_packages"
	[ -n "${RINGBACK_BINDIR-}" ] || echo "$build_packages"
	if service_wanted carrier || service_wanted analyst; then
		echo "$standin_packages"
	fi
	! service_wanted carrier || echo "$carrier_packages"
	! service_wanted speech || "$top/app/speech" path >/dev/null 2>&1 ||
	    echo "$speech_packages"
}

missing_packages() {
	local want have
	have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' |
	    sed -n 's/ installed$//p')
	for want in "$@"; do
		case $want in
		*:*)	command -v "${want%%:*}" >/dev/null || echo "${want##*:}" ;;
		*)	grep -qxF -- "$want" <<<"$have" || echo "$want" ;;
		esac
	done | sort -u
}

as_root() {
	if [ "$EUID" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root or sudo for: $*"
	fi
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
	    --no-install-recommends "$@" </dev/null >&2
}

# Debian starts what it installs.  A second nginx on port 80 and a second
# PostgreSQL are not wanted here, so they are told not to for the while.
install_packages() {
	local packages policy=/usr/sbin/policy-rc.d policy_ours=no
	mapfile -t packages < <(missing_packages "$@")
	[ ${#packages[@]} -gt 0 ] || return 0
	say "installing ${packages[*]}"
	if [ ! -e "$policy" ]; then
		policy_ours=yes
		trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' |
		    as_root install -m 755 /dev/stdin "$policy"
	fi
	apt_install "${packages[@]}" 2>/dev/null ||
	    { as_root apt-get update -qq >&2 && apt_install "${packages[@]}"; } ||
	    die "could not install ${packages[*]}"
	if [ "$policy_ours" = yes ]; then
		as_root rm -f "$policy"
		trap - EXIT
	fi
}

# In MB, 64 to 4096: of what the machine has, or the container that it is may
# use.
eighth_of_memory() {
	local limit mb
	mb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
	mb=$((mb / 8192))
	limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
	[ "$limit" = max ] || [ $((limit / 8388608)) -ge "$mb" ] ||
	    mb=$((limit / 8388608))
	[ "$mb" -ge 64 ] || mb=64
	[ "$mb" -le 4096 ] || mb=4096
	echo "$mb"
}

# --- programs --------------------------------------------------------------

# Sets bindir, building first unless the caller brought programs along.
find_programs() {
	if [ -n "${RINGBACK_BINDIR-}" ]; then
		bindir=$(realpath -e -- "$RINGBACK_BINDIR") ||
		    die "RINGBACK_BINDIR: no such directory"
	else
		bindir=$top/.build/default
		build_tree "$bindir"
	fi
	[ -x "$bindir/ringback-worker" ] ||
	    die "there is no ringback-worker in $bindir"
}

# build_tree DIR [CONFIGURE-FLAGS...]: does nothing when nothing changed. Makes
# the goals in build_goals, or everything.
build_tree() {
	local build=$1 goals
	shift
	read -ra goals <<<"${build_goals-all}"
	mkdir -p "$build"
	(
		flock 7
		cd "$build"
		if ! configured "$@" || ! make -q "${goals[@]}" >/dev/null 2>&1
		then
			say "building in $build"
		fi
		if ! configured "$@"; then
			(cd "$top" && autoreconf -fi) &&
			    "$top/configure" "$@" &&
			    printf '%s\n' "$*" >.configured
		fi >build.log 2>&1 && make -j2 "${goals[@]}" >>build.log 2>&1
	) 7>"$top/.build/.lock" || {
		tail -n 25 "$build/build.log" >&2
		die "the build failed; all of it is in $build/build.log"
	}
}

configured() {
	[ -e Makefile ] && [ -e "$top/configure" ] && [ -e .configured ] &&
	    [ "$(cat .configured)" = "$*" ]
}

fetch_speech() {
	! service_wanted speech || "$top/app/speech" fetch
}

# --- who runs it -----------------------------------------------------------

# run_user NAME...: sets clean_env, and as_NAME (a command prefix) for each of
# these accounts: as root the installed programs' own, and postgres for what
# stands in for others; otherwise all of it is whoever calls. Services see none
# of the caller's variables: they would win over DIR/.env.
run_user() {
	local name
	clean_env=("PATH=$pg_bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
	    LANG=C.UTF-8 GNUTLS_NO_IMPLICIT_INIT=1 "HOME=$dir/run"
	    "XDG_CACHE_HOME=${XDG_CACHE_HOME:-${HOME-}/.cache}")
	for name in TZ ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS GCOV_PREFIX \
	    LLVM_PROFILE_FILE; do
		[ -z "${!name-}" ] || clean_env+=("$name=${!name}")
	done
	as_root=() as_others=() as_nginx=() as_hooks=() as_api=() as_sweep=()
	[ "$EUID" -eq 0 ] || return 0
	for name in "$@"; do
		case $name in
		others)	account others postgres ;;
		nginx)	account nginx www-data ;;
		*)	account "$name" "ringback-$name" ;;
		esac
	done
}

# account NAME USER: sets as_NAME.
account() {
	local place
	local -n as=as_$1
	local -a places=("$dir" "${RINGBACK_BINDIR:-$top}")
	as=("$(command -v setpriv)" "--reuid=$2" "--regid=$2" --init-groups)
	[ "$1" != others ] ||
	    places+=("$("$top/app/speech" path 2>/dev/null || echo /)")
	for place in "${places[@]}"; do
		# Somewhere that account may not enter, such as /root.
		if ! "${as[@]}" test -x "$place"; then
			[ "$1" != hooks ] ||
			    say "$2 may not enter $place, and so may read all"
			as+=(--inh-caps=+dac_override
			    --ambient-caps=+dac_override)
			break
		fi
	done
}

# Those of app/sysusers.d, if they are not there.
make_users() {
	local kind name group rest
	exec 6>/tmp/ringback-users.lock
	flock 6
	while read -r kind name group rest; do
		case $kind in
		u)	getent passwd "$name" >/dev/null ||
			    useradd --system --user-group --no-create-home \
				--home-dir /nonexistent \
				--shell /usr/sbin/nologin "$name" ;;
		g)	getent group "$name" >/dev/null ||
			    groupadd --system "$name" ;;
		m)	id -nG "$name" | grep -qwF -- "$group" ||
			    usermod -aG "$group" "$name" ;;
		esac
	done <"$top/app/sysusers.d/ringback.conf.in" >&2
	exec 6>&-
}

# give USER[:GROUP] PATH...: where there is anybody but us.
give() {
	[ "$EUID" -ne 0 ] || chown "$@"
}
