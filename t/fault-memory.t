# SPDX-License-Identifier: ISC
# Memory runs out, at each place where a webhook or a pass of the sweep asks
# for some. A program may give up, and another takes its place; it may not
# crash, nor forget what it said it had kept.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(seed long);
use Ringback::Inject;
use Ringback::Outside;
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database);
use Ringback::Worker;

plan skip_all => 'the sanitizers have an allocator of their own'
	if Ringback::Inject::sanitized();
plan skip_all => Ringback::Inject::preload() . ' is not there; t/run builds it'
	if !-e Ringback::Inject::preload();

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(workers => 1, fakes => $outside->fakes);
my $in = Ringback::Inject->new($t, $outside);

# Webhooks, each with another allocation refused, until one gets by without:
# to one worker while it lives, or to one of its own each; to its first
# request, or when it is warm. $form makes a webhook; before is done each
# time; but names a library whose allocations are left alone.
sub walk ($what, $path, $form, %o) {
	my ($at, $step, $where, $worker) = ($o{at} // 1, $o{step} // 1, $what);
	my $bury = sub {
		$in->ended($where, ($worker // return)->stop // 'no end');
		undef $worker;
	};
	for (1 .. 1_000) {
		if (!$worker) {
			$worker = Ringback::Worker->start($t, $in->env(
				REFUSE_SINCE => 'accept', REFUSE => $at,
				REFUSE_STEP => $step, REFUSE_SPARE =>
				!$o{first}));
			$worker->post('/api/twilio/voice', { $t->call })
				if !$o{first};
		}
		$o{before}->() if $o{before};
		my %event = $form->();
		my $before = () = $in->refused;
		my $status = $worker->post($path, \%event);
		my ($new) = splice @{ [ $in->refused ] }, $before;
		my ($n, $module) = $new ? @$new : ($at);
		$where = "$what, allocation $n";
		$in->answered($path, \%event, $status, $where);
		if ($new) {
			$in->point("refused to $module");
			$at = $n + $step;
		} elsif ($status) {
			$in->odd("$where: $status, and nothing was refused")
				if $status !~ /^2/;
			$bury->();
			return note "$what: $at allocations";
		}
		$bury->() if !$status || $o{each};
	}
	$bury->();
	return $in->odd("$what: no end of it");
}

# Has pictures, and wants no more texts.
sub picture () {
	return $t->text(Body => 'STOP', NumMedia => 2, map {
		("MediaUrl$_" => "https://api.twilio.com/$_",
		"MediaContentType$_" => 'image/png') } 0, 1);
}
sub callback () {
	my $sid = Ringback::Test::sid('SM');
	return (MessageSid => $sid, MessageStatus => 'undelivered',
		AccountSid => $Ringback::Test::ACCOUNT, ErrorCode => 30003,
		From => $Ringback::Test::NUMBER, To => $Ringback::Test::CALLER);
}

# Every so many.
sub sampled ($step, %o) {
	$step = 1 if long();
	return (%o, step => $step, at => 1 + int rand $step);
}

subtest 'a webhook whose worker runs out of memory' => sub {
	walk('a text', '/api/twilio/sms', \&picture);
	walk('a call', '/api/twilio/voice', sub { $t->call });
	walk('a recording', '/api/twilio/recording-status', sub {
		$t->recording(Ringback::Test::sid('CA')) });
	walk('a status', '/api/twilio/status', sub {
		($t->call, CallStatus => 'completed', CallDuration => 42) });
	walk('the first text', '/api/twilio/sms', \&picture, sampled(2,
		first => 1, each => 1));
	walk('the first call', '/api/twilio/voice', sub { $t->call },
		sampled(2, first => 1, each => 1));
	walk('a text after a break', '/api/twilio/sms', \&picture, sampled(2,
		each => 1, before => sub { $in->disconnect }));
	crash_database($t);
	walk('a callback without a database', '/api/twilio/status',
		\&callback, sampled(2));
	start_database($t);
	$in->verdict('memory, webhook', long() ? 250 : 150);
	$in->nothing_lost('memory, webhook');
};

sub walk_pass ($what, $step, %o) {
	my %how = sampled($step);
	for (my $at = $how{at}; $in->work; $at += $how{step}) {
		my ($status, undef, $err) = Ringback::Pass->run($t, $in->env(
			REFUSE_SINCE => 'connect', REFUSE => $at,
			REFUSE_BUT => $o{but} // ''));
		$in->ended("$what, allocation $at", $status > 128 ?
			'signal ' . ($status - 128) : "exit $status", $err);
		my ($new) = $in->refused;
		return note "$what: $at allocations" if !$new;
		$in->point("refused to $new->[1]");
	}
	return $in->odd("$what: no end of it");
}

subtest 'a sweep that runs out of memory' => sub {
	$in->stock(long() ? 1_800 : 250);
	walk_pass('a pass', 16, but => 'libcrypto.so.3');
	$in->verdict('memory, sweep', long() ? 1_200 : 70);
	# Most of the others ask for the same again and again.
	if (!long()) {
		walk_pass('a pass with its cryptography', 150);
		$in->verdict('memory, cryptography', 30);
	}
	$in->all_done('memory, sweep');
};

$t->done;
