# SPDX-License-Identifier: ISC
# Ringback::Node: asks the npm package twilio, which users really have, what
# it would sign or say. t/run fetches it and sets NODE_PATH; a test that runs
# alone finds what an earlier t/run has left in the cache.
#
#	plan skip_all => $why if my $why = Ringback::Node::missing();
#	my $answers = Ringback::Node::twilio(<<~'JS', \@questions);
#		questions.map(q => twilio.getExpectedTwilioSignature(...q))
#		JS
package Ringback::Node;
use v5.36;

use File::Temp;
use Mojo::JSON qw(decode_json encode_json);

# Where node will find it, or undef.
sub path {
	my $cache = ($ENV{XDG_CACHE_HOME} || ($ENV{HOME} // '') . '/.cache')
		. '/ringback';
	my @places = (split(/:/, $ENV{NODE_PATH} // ''),
		sort glob "$cache/twilio@*/node_modules");
	my ($found) = grep { -e "$_/twilio/package.json" } @places;
	return $found;
}

# Why there is nobody to ask; said aloud, for a skipped oracle is a hole.
sub missing {
	my $why = !defined path() ? 'npm twilio is not there; t/run fetches it'
		: system('node -e 0 >/dev/null 2>&1') != 0 ? 'node is not there'
		: return;
	Test::More::diag("SKIPPED, no oracle: $why");
	return $why;
}

# The value of a JavaScript expression that may use "twilio" and "questions".
sub twilio ($expression, $questions) {
	my $file = File::Temp->new(SUFFIX => '.json');
	print {$file} encode_json($questions);
	$file->flush;
	local $ENV{NODE_PATH} = path();
	open my $node, '-|', 'node', '-e', <<~'JS', $expression, "$file"
		const twilio = require('twilio');
		const questions = JSON.parse(
			require('fs').readFileSync(process.argv[2], 'utf8'));
		console.log(JSON.stringify(eval(process.argv[1])));
		JS
		or die "node: $!";
	my $answer = do { local $/; <$node> };
	close $node or die "node failed: $answer";
	return decode_json($answer);
}

1;
