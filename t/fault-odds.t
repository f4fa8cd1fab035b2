# SPDX-License-Identifier: ISC
# What is left of the things that happen: deadlocks, a full database disk, an
# outcome nobody learns, callers that hang up, a log nobody reads, an event that
# kills whoever reads it, nginx exchanged while it answers.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::SSL;
use Ringback::Figure qw(figure long seed);
use Ringback::Ledger;
use Ringback::Load qw(callers);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database freeze_database
	thaw_database workers catch_up no_strace post_many);

seed();
my $t = Ringback::Test->new(workers => 4);
my $callers = long() ? 500 : 50;

sub clean_after ($name, $posts, $log) {
	ok defined catch_up($t), "$name: the sweep has taken in what was kept";
	Ringback::Ledger->new($t, $posts, $log)->figures(of => $name);
	return;
}

# What the webhook is answered when it is the one that PostgreSQL sacrifices:
# whoever has waited for a second by then, which on a busy machine may be us.
sub deadlock () {
	my %call = $t->call;
	my %recording = $t->recording($call{CallSid}, RecordingStatus =>
		'in-progress');
	$t->post_signed('/api/twilio/voice', \%call);
	$t->post_signed('/api/twilio/recording-status', \%recording);
	my $lock = sub ($table, $sid) { $t->dbh->do("update $table set
		metadata = metadata where $sid = ?", undef, $sid eq 'call_sid' ?
		$call{CallSid} : $recording{RecordingSid}) };
	$t->dbh->begin_work;
	$lock->('twilio_recordings', 'recording_sid');
	my $load = Ringback::Load->start($t, [ [ '/api/twilio/recording-status',
		{ %recording, RecordingStatus => 'completed' } ] ], clients => 1);
	$t->wait_for('the webhook to wait for us', sub { $t->sql(q{select
		count(*) from pg_stat_activity where wait_event_type = 'Lock'
		and application_name = 'ringback-hooks'}) });
	local $t->dbh->{PrintError} = 0;
	my $spared = eval { $lock->('twilio_calls', 'call_sid') };	# and we
	$spared ? $t->dbh->commit : $t->dbh->rollback;			# for it
	my $log = $load->end;
	return $spared ? ($log->[0]{status}, $t->sql('select twilio_status
		from twilio_recordings where recording_sid = ?',
		$recording{RecordingSid})) : ();
}

subtest 'somebody locks rows in the other order' => sub {
	my ($status, $stored);
	for (1 .. 5) {
		($status, $stored) = deadlock();
		last if defined $status;
	}
	my $deadlocks = () = $t->log('postgres') =~ /deadlock detected/g;
	cmp_ok $deadlocks, '>', 0, "$deadlocks deadlocks";
	is $status, 204, 'the webhook has tried again';
	is $stored, 'completed', 'and is stored, not spooled';
};

subtest 'the disk of the database is full' => sub {
	plan skip_all => 'mounting takes root' if $>;
	my $small = $t->dir . '/small';
	mkdir $small or die "$small: $!";
	plan skip_all => 'mount does not work here' if system qw(mount -t tmpfs
		-o), 'size=1m,mode=0700,uid=' . (stat $t->dir . '/pg')[4],
		'tmpfs', $small;
	my $boss = DBI->connect('dbi:Pg:' . $t->dbh->{Name}, 'postgres', '',
		{ RaiseError => 1 });
	$boss->do("create tablespace small location '$small'");
	$boss->do('grant create on tablespace small to public');
	$t->dbh->do('create table heavy (x text) tablespace small');
	$t->dbh->do('alter table webhook_events set tablespace small');
	eval { $t->dbh->do(q{insert into heavy select repeat(md5(i::text), 60)
		from generate_series(1, 10000) i}) };
	like $@, qr/could not extend/, 'full it is';
	my $posts = [ callers($t, $callers) ];
	my $log = Ringback::Load->run($t, $posts, clients => 4);
	is scalar(grep { $_->{status} !~ /^20[04]$/ } @$log), 0,
		'everybody is answered';
	cmp_ok scalar(my @new = glob $t->dir . '/spool/new/*'), '>', 0,
		'from the spool';
	$t->dbh->do('drop table heavy');
	$t->dbh->do('alter table webhook_events set tablespace pg_default');
	$boss->do('drop tablespace small');
	$boss->disconnect;
	system 'umount', $small;
	rmdir $small;
	clean_after('database disk full', $posts, $log);
};

subtest 'a commit that nobody learns of' => sub {
	# It is done, or not; the server dies before it says so.
	my $posts = [ callers($t, $callers) ];
	my $load = Ringback::Load->start($t, $posts, clients => 8);
	$t->wait_for('some', sub { $load->count > 20 });
	for (1 .. 3) {
		freeze_database($t);
		select undef, undef, undef, 0.3;
		kill 'KILL', Ringback::Trouble::database($t);
		$t->wait_for('its end', sub {
			!grep { kill 0, $_ } Ringback::Trouble::database($t) });
		start_database($t);
	}
	my $log = $load->end;
	clean_after('unknown outcomes', $posts, $log);
};

subtest 'callers hang up before they are answered' => sub {
	my @texts = map { { $t->text } } 1 .. 40;
	my @before = workers($t);
	for my $text (@texts) {
		my $socket = IO::Socket::SSL->new(PeerAddr => "127.0.0.1:$t->{port}",
			SSL_ca_file => $t->dir . '/tls/cert.pem') or die $SSL_ERROR;
		my $body = Ringback::Test::encode($text);
		$t->note_secrets($text);
		print {$socket} join "\r\n", 'POST /api/twilio/sms HTTP/1.1',
			"Host: 127.0.0.1:$t->{port}",
			'Content-Type: application/x-www-form-urlencoded',
			'X-Twilio-Signature: ' . Ringback::Test::signature(
			$t->base . '/api/twilio/sms', $text),
			'Content-Length: ' . length $body, '', $body;
		$socket->close(SSL_no_shutdown => 1);
	}
	$t->wait_for('all to be stored', sub { @texts == $t->sql('select
		count(*) from twilio_sms where message_sid = any(?)',
		[ map { $_->{MessageSid} } @texts ]) });
	is $t->sql('select count(*) from webhook_events where sid = any(?)',
		[ map { $_->{MessageSid} } @texts ]), 40, 'each once';
	is_deeply [ sort(workers($t)) ], [ sort @before ], 'no worker died';
};

subtest 'a log that cannot be written stops nobody' => sub {
	my ($bin) = Ringback::Test::slurp($t->dir . '/.state') =~
		/^BINDIR=(.+)$/m;
	$t->dbh->do(q{update twilio_recordings set step = 'skipped'});
	for my $to ('/dev/full', '-') {
		my $sid = $t->due_recording;
		my $pid = fork // die "fork: $!";
		if (!$pid) {
			open STDOUT, '>', '/dev/null';
			if ($to eq '-') { close STDERR }
			else { open STDERR, '>', $to }
			exec "$bin/ringback-sweep", '-f', $t->dir . '/.env',
				'--verbose', '--limit', 1 or POSIX::_exit(127);
		}
		waitpid $pid, 0;
		is $? >> 8, 75, "stderr is $to: it does its work as always";
		is $t->sql('select last_error like ? from twilio_recordings where
			recording_sid = ?', '%Twilio gave no answer%', $sid), 1,
			"stderr is $to: and stores it";
	}
	$t->dbh->do(q{update twilio_recordings set step = 'skipped'});
};

subtest 'an event that kills whoever reads it is put aside' => sub {
	plan skip_all => 'strace does not work here' if no_strace();
	crash_database($t);
	my @texts = map { { $t->text } } 1 .. 3;
	$t->post_signed('/api/twilio/sms', $_) for @texts;
	start_database($t);
	# What it dies of comes with the first event of the spool.
	for (1 .. 3) {
		my ($status) = Ringback::Pass->run($t, { before => [ qw(strace
			-f -o /dev/null -e trace=unlink
			-e inject=unlink:error=EIO:signal=ABRT) ] });
		is $status, 134, "it dies, time $_";
	}
	my ($status, $out, $err) = Ringback::Pass->run($t);
	is $status, 1, 'the next one says that somebody should look';
	like $err, qr/the journal has it .*3 sweeps died with it in hand/,
		'puts it aside';
	like $out, qr/ 2 events replayed/, 'and goes on with the others';
	is $t->sql(q{select count(*) from webhook_events where refused like
		'%sweeps died%'}), 1, 'it can be looked at, and replayed';
	is +(Ringback::Pass->run($t))[0], 0, 'once and for all';
};

subtest 'the same webhook a hundred times at once' => sub {
	my %text = $t->text;
	my @statuses = post_many($t, [ map { [ '/api/twilio/sms', \%text ] }
		1 .. 100 ], 20);
	is_deeply [ grep { $_ != 200 } @statuses ], [], 'all are answered';
	figure('one webhook, a hundred times: events', $t->sql('select count(*)
		from webhook_events where sid = ?', $text{MessageSid}), '==',
		1);
};

$t->done;
