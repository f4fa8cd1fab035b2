# SPDX-License-Identifier: ISC
# The main job on real input: somebody speaks on the phone (flite, at
# telephone quality), the stand-in carrier plays a genuine call through nginx,
# genuine Whisper transcribes, and what is stored is what was said.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::JSON qw(decode_json);
use Ringback::Test;

plan skip_all => 'no Whisper here: app/speech fetch gets it'
	if system("$Ringback::Test::ROOT/app/speech path >/dev/null 2>&1") != 0;

my $said = 'Hi, this is Daniel Carter from Riverside Dental, calling about '
	. 'the invoice for last Tuesday. We were charged twice. Please call me '
	. 'back at four one five, five five five, zero one seven two before '
	. 'noon tomorrow.';
my $number = '4155550172';

# quickstart's own stand-ins for all three: nothing is named.
my $t = Ringback::Test->new(env => { map { $_ => undef }
	qw(TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_PHONE_NUMBER
	TWILIO_PHONE_NUMBER_SID TWILIO_API_BASE_URL OPENAI_BASE_URL
	LLM_BASE_URL) });

my @digit = qw(zero one two three four five six seven eight nine);
my %value = map { $digit[$_] => $_ } 0 .. 9;

# Lower case, no punctuation, digits one by one as words.
sub words ($text) {
	$text = lc $text;
	$text =~ s/(\d)/ $digit[$1] /g;
	$text =~ s/[^a-z ]/ /g;
	return split ' ', $text;
}

# Word error rate: edits to make one list of words from the other.
sub error_rate ($reference, $heard) {
	my @r = words($reference);
	my @row = 0 .. words($heard);
	my @h = words($heard);
	for my $i (1 .. @r) {
		my @new = ($i);
		for my $j (1 .. @h) {
			my $edit = $row[$j - 1] + ($r[$i - 1] ne $h[$j - 1]);
			my $drop = ($row[$j] < $new[$j - 1] ? $row[$j] :
				$new[$j - 1]) + 1;
			$new[$j] = $edit < $drop ? $edit : $drop;
		}
		@row = @new;
	}
	return $row[-1] / @r;
}

is error_rate('call 41 now', 'call four one now'), 0, 'the measure: digits';
is error_rate('a b c d', 'a x c'), 0.5, 'the measure: two edits in four';

my ($status, $out, $err) = $t->quickstart('call', '--say', $said,
	'--from', '+14155550100');
is $status, 0, 'the call was played' or diag $err;
like $out, qr/record/, 'and recorded';
($status, $out, $err) = $t->sweep;
is $status, 0, 'the sweep went well' or diag $err;
like $out, qr/^ringback-sweep: 1 done,/, 'one recording done';

my $row = $t->row('select c.status as call_status, c.from_number,
	r.status, r.step, t.* from twilio_calls c
	join transcriptions t on c.transcription_id = t.id
	join twilio_recordings r on r.recording_sid = t.recording_sid');
my $rate = error_rate($said, $row->{transcription});
diag sprintf 'word error rate %.1f %%: %s', 100 * $rate,
	$row->{transcription};
cmp_ok $rate, '<=', 0.15, 'at most 15 % of the words are wrong';
my $digits = join '', map { $value{$_} // '' } words($row->{transcription});
like $digits, qr/$number/, 'every digit of the number to call';
unlike $row->{transcription}, qr/\n|^ | $/, 'tidy text';
is $row->{call_status}, 'completed', 'the call is completed';
is $row->{from_number}, '+14155550100', 'from whom';
is $row->{status}, 'completed', 'the transcript is complete';
is $row->{step}, 'done', 'so is the recording';
is $row->{model}, 'base.en', 'the model is named';
cmp_ok $row->{duration_seconds}, '>', 8, 'the sound has a length';

my $segments = decode_json(Ringback::Test::bytes($row->{segments}));
cmp_ok scalar @$segments, '>=', 1, 'segments with times';
cmp_ok $segments->[0]{end}, '>', $segments->[0]{start}, 'that go forward';

my $analysis = decode_json(Ringback::Test::bytes($row->{analysis}));
is_deeply [ sort keys %$analysis ], [ sort qw(summary key_points pain_points
	objections next_steps sentiment urgency model) ],
	'the analysis has its fields';
like $analysis->{model}, qr/no language model/,
	'and says that a list of rules made it';
like $analysis->{summary}, qr/Daniel|Riverside|invoice/, 'of this very call';
unlike "@{ $analysis->{key_points} }", qr/\b[0-9a-f]{24}\b/,
	'nothing but what was said';

# Silence on the same genuine server: nothing is made up.
($status, $out, $err) = $t->quickstart('call', '--say', ' ');
is $status, 0, 'a caller who says nothing' or diag $err;
$t->sweep;
$row = $t->row('select * from transcriptions order by created_at desc limit 1');
is $row->{transcription}, '', 'is given no words';
is $row->{analysis}, undef, 'nor an analysis';
like $row->{metadata}, qr/"speech"/, 'and it says why';
is $t->sql(q{select count(*) from api_calls where step = 'analyse'}), 1,
	'the language model was asked about the first call only';

$t->done;
