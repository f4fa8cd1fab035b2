# SPDX-License-Identifier: ISC
# What Twilio said, as an administrator looks it up, and has it applied again
# after somebody has repaired what it met.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Pass;
use Ringback::Test;

my $t = Ringback::Test->new;
my ($bin) = Ringback::Test::slurp($t->dir . '/.state') =~ /^BINDIR=(.+)$/m;

sub admin (@args) {
	return Ringback::Test::run_command("$bin/ringback-admin", '-f',
		$t->dir . '/.env', @args);
}

sub entries (@args) {
	my ($status, $out, $err) = admin(qw(journal list), @args);
	is $status, 0, "journal list @args" or diag $err;
	my (undef, @lines) = split /\n/, $out;
	return @lines;
}

# The state that events make, without its times.
sub state () {
	return join "\n", map { join '|', map { $_ // '' } @$_ }
		@{ $t->dbh->selectall_arrayref(q{
		select call_sid, status, duration::text, from_number, user_id
		from twilio_calls union all
		select message_sid, status, body, from_number, error_code::text
		from twilio_sms union all
		select recording_sid, step, status, call_sid, duration::text
		from twilio_recordings union all
		select sender, recipient, (opted_out_at > coalesce(opted_in_at,
		'-infinity'))::text, '', '' from opt_outs order by 1, 2}) };
}

my %call = $t->call;
my %text = $t->text(From => '+15005550007');
my %recording = $t->recording($call{CallSid});
$t->post_signed('/api/twilio/voice', \%call);
$t->post_signed('/api/twilio/sms', \%text);
$t->post_signed('/api/twilio/status', { %call, CallStatus => 'completed',
	CallDuration => 9 });
$t->post_signed('/api/twilio/recording-status', \%recording);

# What nginx kept, and nobody at Twilio signed.
sub kept ($name, $bytes) {
	my $file = $t->dir . "/fallback/$name";
	open my $fh, '>:raw', $file or die "$file: $!";
	print {$fh} $bytes;
	close $fh or die $!;
	chown +(stat $t->dir . '/fallback')[4, 5], $file;
	utime time - 60, time - 60, $file;
	return;
}

my %later = $t->text(Body => "written under another token\e[2J");
my $form = Ringback::Test::encode(\%later);
kept('unsigned', "/api/twilio/sms\nnonsense\n$form\n");
kept('early', "/api/twilio/sms\n" . Ringback::Test::signature($t->base
	. '/api/twilio/sms', \%later, 'the-next-token') . "\n$form\n");
is +($t->sweep('--limit', 0))[0], 1, 'two requests are refused';

subtest 'journal list' => sub {
	is scalar entries(), 6, 'all of them';
	my ($first) = entries('--limit', 1);
	like $first, qr/^\d+ +\d{4}-\d\d-\d\dT\S+ .* http +stored$/,
		'newest first, a line each';
	is_deeply [ sort map { (split)[2] } entries('--number',
		$call{From}) ], [ map { "/api/twilio/$_" } qw(recording-status
		status voice) ], 'by number: the calls and their recordings';
	like +(entries('--number', '+15005550007'))[0],
		qr/\Q$text{MessageSid}/, 'and the texts';
	is scalar entries('--number', '+15005550999'), 0, 'nothing';
	is scalar entries('--sid', $recording{RecordingSid}), 1, 'by SID';
	is scalar entries('--verdict', 'refused'), 2, 'by verdict: refused';
	is scalar entries('--verdict', 'stored'), 4, 'stored';
	is scalar entries('--verdict', 'unverified'), 0, 'unverified';
	is scalar entries('--since', '2020-01-01'), 6, 'by time';
	is scalar entries('--since', '2099-01-01'), 0, 'later than all';
	is +(admin(qw(journal list --verdict good)))[0], 64, 'a bad verdict';
	is +(admin(qw(journal list --since soon)))[0], 64, 'a bad time';
	is +(admin(qw(journal list --number me)))[0], 64, 'a bad number';
};

subtest 'journal show' => sub {
	my ($id) = (split ' ', (entries('--sid', $text{MessageSid}))[0])[0];
	my ($status, $out) = admin(qw(journal show), $id);
	is $status, 0, 'shown';
	like $out, qr{^route +/api/twilio/sms$}m, 'the route';
	like $out, qr/^verdict +stored$/m, 'the verdict';
	like $out, qr/^\Q@{[ Ringback::Test::encode(\%text) ]}\E$/m,
		'byte by byte';
	for my $id (0, 999_999, 'all', '1; drop') {
		is +(admin(qw(journal show), $id))[0], 1, "no entry $id";
	}
};

subtest 'replay is safe to repeat' => sub {
	my $before = state();
	for my $line (entries('--verdict', 'stored')) {
		my ($id) = split ' ', $line;
		is +(admin('replay', $id))[0], 0, "entry $id, $_"
			for 'once', 'twice';
	}
	my ($status, $out) = admin(qw(replay --since 2020-01-01));
	is $status, 1, 'since then, in which two are refused again';
	like $out, qr/^4 entries were replayed, 2 refused$/m, 'it says so';
	is state(), $before, 'nothing has changed';
	is scalar entries(), 6, 'nor are there more entries';
	$t->dbh->do('delete from twilio_recordings');
	$t->dbh->do(q{update twilio_calls set status = 'ringing', duration =
		null});
	$t->dbh->do('delete from twilio_sms');
	admin(qw(replay --since 2020-01-01));
	is state(), $before, 'what was lost in the tables is made again';
	is +(admin('replay'))[0], 64, 'an entry or a time is needed';
};

subtest 'a dead letter is replayed once the reason is gone' => sub {
	my %id = map { (split)[0] => 1 } entries('--verdict', 'refused');
	my ($one) = grep { (admin(qw(journal show), $_))[1] !~ /nonsense/ }
		sort keys %id;
	my (undef, $out) = admin(qw(journal show), $one);
	like $out, qr/^why +the Twilio signature does not fit/m, 'it says why';
	unlike $out, qr/\e/, 'and gives the terminal no commands';
	my ($status, undef, $err) = admin('replay', $one);
	is $status, 1, 'refused again';
	like $err, qr/signature does not fit/, 'for the same reason';
	$t->change(TWILIO_AUTH_TOKEN_NEXT => 'the-next-token');
	is +(admin('replay', $one))[0], 0, 'with the right token it is stored';
	is $t->sql('select body from twilio_sms where message_sid = ?',
		$later{MessageSid}), $later{Body}, 'the text';
	is scalar entries('--verdict', 'refused'), 1, 'one dead letter less';
	is scalar entries('--sid', $later{MessageSid}), 1, 'and one event more';
	is +(admin('replay', $one))[0], 1, 'which is gone now';
};

subtest 'STOP and START count in the order in which they were said' => sub {
	my $says = sub ($word, $at) {
		my %text = $t->text(From => '+15005550008', Body => $word);
		$t->post_signed('/api/twilio/sms', \%text);
		$t->dbh->do('update webhook_events set received_at = ? where
			sid = ?', undef, $at, $text{MessageSid});
		return $t->sql('select id from webhook_events where sid = ?',
			$text{MessageSid});
	};
	my $stopped = sub { $t->sql(q{select opted_out_at > coalesce(
		opted_in_at, '-infinity') from opt_outs where recipient =
		'+15005550008'}) };
	my $stop = $says->('STOP', '2026-01-01 10:00Z');
	ok $stopped->(), 'STOP';
	my $start = $says->('START', '2026-01-01 11:00Z');
	ok !$stopped->(), 'START';
	# As if the two had been spooled, and stored in any order.
	for my $order ([ $start, $stop ], [ $stop, $start ], [ $stop ]) {
		$t->dbh->do('delete from opt_outs');
		$t->dbh->do('insert into opt_outs select $1, $2, null, null,
			$3 where $4', undef, $Ringback::Test::NUMBER,
			'+15005550008', '2026-01-01 11:00Z', @$order == 1 ? 1 : 0);
		admin('replay', $_) for @$order;
		ok !$stopped->(), "the later one holds, stored as @$order";
	}
	my $again = $says->('STOP', '2026-01-01 12:00Z');
	ok $stopped->(), 'until the next STOP';
};

subtest 'the journal forgets bytes after JOURNAL_DAYS, in small batches' => sub {
	$t->dbh->do(q{insert into webhook_events (dedupe, route, sid, body,
		source, verified, received_at) select sha256(i::text::bytea),
		'/api/twilio/sms', 'SM' || md5(i::text), 'x', 'http', true,
		now() - interval '31 days' from generate_series(1, 2500) i});
	$t->dbh->do(q{update webhook_events set received_at = now() - interval
		'31 days' where refused is not null});
	my $events = $t->sql('select count(*) from webhook_events where refused
		is null');
	my $young = $t->sql(q{select count(*) from webhook_events where body is
		not null and received_at > now() - interval '30 days'});
	is +($t->sweep('--limit', 0))[0], 0, 'a pass';
	is $t->sql('select count(*) from webhook_events where body is not
		null'), $young, 'bytes and dead letters are gone';
	is $t->sql('select count(*) from webhook_events'), $events,
		'that the events came is not';
	my $old = $t->sql(q{select id from webhook_events where body is null
		limit 1});
	like +(admin(qw(journal show), $old))[1], qr/forgotten/, 'shown so';
	is +(admin('replay', $old))[0], 1, 'and no more to be replayed';
};

$t->done;
