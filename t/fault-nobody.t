# SPDX-License-Identifier: ISC
# No worker is left and no database: nginx is alone. Every caller still hears
# what keeps them on the line, callbacks are told to come again, and all of it
# is stored once somebody is back; but not what somebody else put there.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure seed long);
use Ringback::Ledger;
use Ringback::Load;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database kill_pool catch_up);

seed();
my $t = Ringback::Test->new(workers => 4);
my $fallback = $t->dir . '/fallback';
my $count = long() ? 20_000 : 2_000;

# Posts that want TwiML, what became of them, and posts that can wait.
my (@live, $log, @callbacks);
for (1 .. $count) {
	my %call = $t->call;
	push @live, [ '/api/twilio/voice', \%call ];
	push @callbacks, [ '/api/twilio/status', { %call,
		CallStatus => 'completed', CallDuration => 5 } ]
		if rand() < 0.25;
	push @live, [ '/api/twilio/sms', { $t->text } ] if rand() < 0.25;
}

# What somebody writes who can write there and does not know the token, by
# what is wrong with it.
sub forgery ($wrong) {
	my ($path, %call) = ('/api/twilio/voice', $t->call);
	my $sign = sub ($form, @token) {
		return Ringback::Test::signature($t->base . $path, $form,
			@token);
	};
	my %signature = (none => '', invented => 'A' x 27 . '=',
		token => $sign->(\%call, 'another-token-0123456789'),
		other => $sign->({ $t->call }), map { $_ => $sign->(\%call) }
		qw(path digit short));
	my $right = Ringback::Test::encode(\%call);
	$path = '/api/twilio/status' if $wrong eq 'path';
	$call{From} =~ s/6\z/7/ if $wrong eq 'digit';
	my $line = "$path\n$signature{$wrong}\n"
		. Ringback::Test::encode(\%call) . "\n";
	return $call{CallSid}, $wrong eq 'short' ? substr($line, 0, -30)
		: $line;
}

subtest 'nobody is there, and callers are answered' => sub {
	kill_pool($t);
	crash_database($t);
	$log = Ringback::Load->run($t, \@live);
	figure('calls and texts', scalar @$log, '>=', 2_000);
	figure('answered with TwiML', scalar(grep { $_->{good} } @$log), '==',
		scalar @live);
	is scalar(grep { $_->{status} != 503 } @{ Ringback::Load->run($t,
		\@callbacks) }), 0, 'callbacks are to come again: 503';
	$t->wait_for('the requests that were kept', sub {
		return @live == (my @kept = glob "$fallback/*") });
};

my @forged;
subtest 'meanwhile somebody writes there, too' => sub {
	for my $wrong (qw(none invented token other path digit short)) {
		for (1 .. 30) {
			my ($sid, $line) = forgery($wrong);
			my $file = "$fallback/" . sprintf '%032x', rand 2**32;
			open my $fh, '>:raw', $file or die "$file: $!";
			print {$fh} $line;
			close $fh or die "$file: $!";
			chown +(stat $fallback)[4, 5], $file;
			push @forged, $sid;
		}
	}
	is scalar(my @all = glob "$fallback/*"), @live + @forged,
		scalar @forged . ' forged requests beside the others';
};

subtest 'somebody is back' => sub {
	start_database($t);
	$t->start;
	ok defined catch_up($t), 'the sweep has taken in what was kept';
	my $again = Ringback::Load->run($t, \@callbacks);
	Ringback::Ledger->new($t, [ @live, @callbacks ],
		[ @$log, @$again ])->figures;
	figure('forged requests stored', scalar $t->sql('select count(*) from
		webhook_events where sid = any(?)', \@forged), '==', 0);
	figure('calls made of forged requests', $t->sql('select count(*) from
		twilio_calls where call_sid = any(?)', \@forged), '==', 0);
	is $t->sql('select count(*) from webhook_events where refused is not
		null'), @forged, 'they are kept for a person to look at';
};

$t->done;
