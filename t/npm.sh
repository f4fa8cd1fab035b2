# shellcheck shell=bash disable=SC2154,SC2034 # shared with whoever reads this
# SPDX-License-Identifier: ISC
# npm: packages of npm's, by name, in a place of their own outside the tree.

npm_dir=${XDG_CACHE_HOME:-${HOME:?}/.cache}/ringback
# The client that users of Twilio really have: it signs, and writes TwiML, as
# an oracle.
TWILIO=twilio@6.2.0

# fetch_npm NAME PACKAGE...: none of their install scripts runs.
fetch_npm() {
	local to=$npm_dir/$1
	shift
	[ ! -e "$to/node_modules" ] || return 0
	install_packages npm:npm
	mkdir -p "$npm_dir"
	(
		flock 7
		[ ! -e "$to/node_modules" ] || exit 0
		say "fetching npm $*"
		rm -rf "$to" "$to.new"
		mkdir "$to.new"
		npm install --prefix "$to.new" --ignore-scripts \
		    --loglevel=error "$@" >&2 && mv "$to.new" "$to"
	) 7>"$npm_dir/npm.lock" || die "npm could not fetch $*"
}
