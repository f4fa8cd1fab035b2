# SPDX-License-Identifier: ISC
# Ringback::Node: asks npm packages that users really have: twilio, what it
# would sign or say; validators of OpenAPI, what they think of ours. t/run
# fetches them and sets NODE_PATH; a test that runs alone finds what an earlier
# t/run has left in the cache.
#
#	plan skip_all => $why if my $why = Ringback::Node::missing();
#	my $answers = Ringback::Node::twilio(<<~'JS', \@questions);
#		questions.map(q => twilio.getExpectedTwilioSignature(...q))
#		JS
package Ringback::Node;
use v5.36;

use File::Temp;
use Mojo::JSON qw(decode_json encode_json);

# Where node will find a package, or undef.
sub path ($package = 'twilio') {
	my $cache = ($ENV{XDG_CACHE_HOME} || ($ENV{HOME} // '') . '/.cache')
		. '/ringback';
	my @places = (split(/:/, $ENV{NODE_PATH} // ''),
		sort glob "$cache/*/node_modules");
	my ($found) = grep { -e "$_/$package/package.json" } @places;
	return $found;
}

# Why there is nobody to ask; said aloud, for a skipped oracle is a hole.
sub missing ($package = 'twilio') {
	my $why = !defined path($package)
		? "npm $package is not there; t/run fetches it"
		: system('node -e 0 >/dev/null 2>&1') != 0 ? 'node is not there'
		: return;
	Test::More::diag("SKIPPED, no oracle: $why");
	return $why;
}

# The value of a JavaScript expression that may use "twilio" and "questions".
sub twilio ($expression, $questions) {
	return ask('twilio', "const twilio = require('twilio');",
		$expression, $questions);
}

# The same with any package; what comes before the expression may await.
sub ask ($package, $before, $expression, $questions) {
	my $file = File::Temp->new(SUFFIX => '.json');
	print {$file} encode_json($questions);
	$file->flush;
	local $ENV{NODE_PATH} = path($package);
	open my $node, '-|', 'node', '-e', <<~"JS", "$file"
		(async () => {
			const questions = JSON.parse(require('fs')
				.readFileSync(process.argv[1], 'utf8'));
			$before
			console.log(JSON.stringify($expression));
		})().catch(e => { console.error(e); process.exitCode = 1; });
		JS
		or die "node: $!";
	my $answer = do { local $/; <$node> };
	close $node or die "node failed: $answer";
	return decode_json($answer);
}

1;
