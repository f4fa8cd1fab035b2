# SPDX-License-Identifier: ISC
# Webhooks that reach nobody, one in twenty, as when a provider's network has
# a bad hour: what they would have told is found on Twilio's lists, all of it
# and nothing twice.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure long seed);
use Ringback::Pass;
use Ringback::Test;

my $t = Ringback::Test->new(carrier => 1, env => { RECONCILE_MINUTES => 1 });
my $c = $t->carrier;
my $each = long() ? 1500 : 150;

# The first look is history; what matters comes after it.
is +(Ringback::Pass->run($t))[0], 0, 'a look at an empty account';

$c->control(POST => lossy => { percent => 5, seed => seed() });
for my $i (1 .. $each) {
	my $from = sprintf '+1500555%04d', 1000 + $i;
	$c->control(POST => call => { from => $from, seconds => 1 + $i % 9,
		$i % 10 ? (silent => \1) : (say => 'Please call me back.') });
	$c->control(POST => text => { from => $from, body => "text $i",
		$i % 7 ? () : (body => $i % 2 ? 'STOP' : 'START') });
}
$c->control(POST => lossy => { percent => undef });
$c->idle;
my @sent = $c->sent;
my $lost = grep { ($_->{error} // '') =~ /lost/ } @sent;
cmp_ok $lost, '>=', @sent / 40, "$lost of " . @sent . ' webhooks were lost';

# What Twilio has that was not told, or not to its end, before and after.
sub gaps () {
	my %gap;
	for my $call ($c->list('calls')) {
		my $row = $t->row('select * from twilio_calls where call_sid =
			?', $call->{sid});
		$gap{missing}++ if !$row;
		$gap{different}++ if $row && ("$row->{status} "
			. ($row->{duration} // '-') . " $row->{from_number}" ne
			"$call->{status} $call->{duration} $call->{from}");
	}
	for my $text (grep { $_->{direction} eq 'inbound' }
		$c->list('messages')) {
		my $row = $t->row('select * from twilio_sms where message_sid =
			?', $text->{sid});
		$gap{missing}++ if !$row;
		$gap{different}++ if $row && "$row->{status} $row->{body}"
			ne "$text->{status} $text->{body}";
	}
	for my $recording ($c->list('recordings')) {
		my $row = $t->row('select * from twilio_recordings where
			recording_sid = ?', $recording->{sid});
		$gap{missing}++ if !$row;
		$gap{different}++ if $row && $row->{step} eq 'wait';
	}
	return ($gap{missing} // 0, $gap{different} // 0);
}

my ($missing, $different) = gaps();
cmp_ok $missing, '>', 0, "$missing things are not here";
cmp_ok $different, '>', 0, "and $different are here half";
$c->control(POST => age => { seconds => 120 });
$t->dbh->do('update reconciliations set run_at = now()');
my ($status, $out, $err) = Ringback::Pass->run($t, {}, '--limit', 0);
is $status, 0, 'the next pass' or diag "$out$err";
($missing, $different) = gaps();
figure('missing after the look', $missing, '==', 0);
figure('half known after the look', $different, '==', 0);
figure('restored of what was lost', 100 * (1 - $missing / $lost), '==', 100,
	unit => '%');
figure('rows twice', $t->sql('select (select count(*) - count(distinct
	call_sid) from twilio_calls) + (select count(*) - count(distinct
	message_sid) from twilio_sms) + (select count(*) - count(distinct
	recording_sid) from twilio_recordings)'), '==', 0);
my ($sooner) = $out =~ / (\d+) found at Twilio/;
$t->dbh->do('update reconciliations set run_at = now()');
like +(Ringback::Pass->run($t, {}, '--limit', 0))[1], qr/ 0 found at Twilio/,
	"$sooner were found, and are no news any more";
figure('stopped, though they said START last, or the reverse',
	$t->sql(q{select count(*) from (select distinct on (from_number)
	from_number, to_number, body from twilio_sms where body in ('STOP',
	'START') and direction = 'inbound' order by from_number, created_at
	desc) s left join opt_outs o on o.sender = s.to_number and o.recipient
	= s.from_number where (s.body = 'STOP') is distinct from
	(coalesce(o.opted_out_at > coalesce(o.opted_in_at, '-infinity'),
	false))}), '==', 0);

$t->done;
