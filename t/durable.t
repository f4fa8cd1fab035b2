# SPDX-License-Identifier: ISC
# The database is away, hangs or comes and goes. Callers hear what they
# always hear, Twilio is told the truth, and every event is stored once, with
# the time at which it came.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database freeze_database
	thaw_database no_strace traced post_many);
use Time::HiRes qw(sleep time);

my $t = Ringback::Test->new;
my $spool = $t->dir . '/spool';

sub spooled ($where = 'new') {
	my @files = sort glob "$spool/$where/*";
	return @files;
}

sub events ($sid) {
	return @{ $t->dbh->selectall_arrayref(q{select *, extract(epoch from
		received_at) as at from webhook_events where sid = ?
		order by id}, { Slice => {} }, $sid) };
}

# One of everything that Twilio sends, and how it is answered.
sub one_of_each () {
	my %call = $t->call;
	my %text = $t->text;
	my %recording = $t->recording($call{CallSid});
	delete @recording{qw(RecordingStatus ErrorCode)};
	return (
		[ '/api/twilio/voice', \%call, 200, qr/<Record / ],
		[ '/api/twilio/sms', \%text, 200, qr/<Message>/ ],
		[ '/api/twilio/recording', { %call, %recording,
			CallStatus => 'in-progress' }, 200, qr/<Hangup/ ],
		[ '/api/twilio/recording-status', { %recording,
			RecordingStatus => 'in-progress' }, 204, qr/\A\z/ ],
		[ '/api/twilio/status', { %call, CallStatus => 'completed',
			CallDuration => 7 }, 204, qr/\A\z/ ],
	);
}

sub sid_of ($path, $form) {
	return $path =~ /recording/ ? $form->{RecordingSid} :
		$path =~ /sms/ ? $form->{MessageSid} : $form->{CallSid};
}

subtest 'nobody on the telephone notices that the database is down' => sub {
	crash_database($t);
	my @each = one_of_each();
	my @times = time;
	for my $one (@each) {
		my ($path, $form, $status, $like) = @$one;
		my $answer = $t->post_signed($path, $form);
		is $answer->status, $status, "$path: $status";
		like $answer->body, $like, "$path: what it always says";
		push @times, time;
	}
	is scalar spooled(), @each, 'every event is in the spool';
	is scalar spooled('tmp'), 0, 'complete';
	is +(stat((spooled())[0]))[2] & 07777, 0640,
		'and for nobody but the sweep to read';
	like $t->log('worker-hooks'), qr/webhook spooled/, 'the log says so';
	is $t->post_unsigned('/api/twilio/sms', $each[1][1])->status, 403,
		'an unsigned request is refused all the same';
	is scalar spooled(), @each, 'and not kept';

	start_database($t);
	my ($status, $out) = $t->sweep;
	is $status, 0, 'the next pass ends well';
	like $out, qr/ @{[ scalar @each ]} events replayed/, 'with all events';
	is scalar spooled(), 0, 'the spool is empty';
	my $last = 0;
	for my $i (0 .. $#each) {
		my ($path, $form) = @{ $each[$i] };
		my @events = grep { $_->{route} eq $path }
			events(sid_of($path, $form));
		is scalar @events, 1, "$path: stored once";
		my $e = $events[0];
		is $e->{body}, Ringback::Test::encode($form), "$path: as it came";
		is $e->{source}, 'spool', "$path: and how";
		ok $e->{verified}, "$path: its signature had been checked";
		ok $e->{at} >= $times[$i] && $e->{at} <= $times[$i + 1],
			"$path: at the time at which it came";
		ok $e->{id} > $last, "$path: in that order";
		$last = $e->{id};
	}
	my $call = $t->row('select * from twilio_calls where call_sid = ?',
		$each[0][1]{CallSid});
	is "$call->{status} $call->{duration}", 'completed 7', 'the call';
	is $call->{recording_sid}, $each[3][1]{RecordingSid}, 'its recording';
	like +($t->sweep)[1], qr/ 0 events replayed/, 'once and for all';
	$t->post_signed(@{ $_ }[0, 1]) for @each;
	$t->sweep;
	is scalar(my @events = events($each[0][1]{CallSid})), 2,
		'what Twilio sends again is known';
};

subtest 'an event is on disk before it is answered' => sub {
	plan skip_all => 'strace does not work here' if no_strace();
	my $trace = $t->dir . '/run/trace';
	crash_database($t);
	my %text = $t->text(MessageStatus => 'sent');
	traced($t, sub {
		is $t->post_signed('/api/twilio/status', \%text)->status, 204,
			'answered';
	}, '-o', $trace, '-e', 'trace=fsync,rename,renameat,renameat2,write');
	my ($file) = spooled();
	my ($name) = $file =~ m{([^/]+)\z};
	my @acts = map {
		m{fsync\(\d+<\Q$spool\E/tmp/\Q$name\E>\) = 0} ? 'file synced' :
		m{rename\w*\(.*/tmp/\Q$name\E".*/new/\Q$name\E".*= 0} ?
			'renamed' :
		m{fsync\(\d+<\Q$spool\E/new>\) = 0} ? 'directory synced' :
		m{write\(\d+<(?:socket|UNIX)} ? 'answered' : ()
	} split /\n/, Ringback::Test::slurp($trace);
	is_deeply [ @acts[0 .. 3] ], [ 'file synced', 'renamed',
		'directory synced', 'answered' ], 'in this order'
		or diag Ringback::Test::slurp($trace);
};

subtest 'what the disk refuses is not said to be kept' => sub {
	plan skip_all => 'strace does not work here' if no_strace();
	my @waiting = spooled();
	my %text = $t->text(MessageStatus => 'delivered');
	traced($t, sub {
		is $t->post_signed('/api/twilio/status', \%text)->status, 503,
			'the callback is to come again';
	}, qw(-o /dev/null -e trace=fsync -e inject=fsync:error=EIO));
	is_deeply [ spooled() ], \@waiting, 'nothing is left of it';
	is scalar spooled('tmp'), 0, 'nor half of it';
	is $t->post_signed('/api/twilio/status', \%text)->status, 204,
		'and is taken when the disk is well again';
	start_database($t);
	like +($t->sweep)[1], qr/ @{[ @waiting + 1 ]} events replayed/,
		'all is stored then';
};

subtest 'a database that hangs is not waited for' => sub {
	my @each = one_of_each();
	my $before = time;
	freeze_database($t);
	my @statuses = post_many($t, [ map { [ @$_[0, 1] ] } @each ], 5);
	my $took = time - $before;
	is_deeply \@statuses, [ map { $_->[2] } @each ], 'all are answered';
	ok $took < 15, "within the 15 s that Twilio gives (it took $took)";
	thaw_database($t);
	is +($t->sweep)[0], 0, 'the next pass';
	for my $one (@each) {
		my ($path, $form) = @$one;
		is scalar(grep { $_->{route} eq $path }
			events(sid_of($path, $form))), 1,
			"$path: stored once, whatever the server did after all";
	}
	is scalar spooled(), 0, 'nothing is left';
};

subtest 'a database that restarts under load costs nothing' => sub {
	my @posts = map { my %text = $t->text; ([ '/api/twilio/sms', \%text ],
		[ '/api/twilio/status', { %text, MessageStatus => 'sent' } ]) }
		1 .. 150;
	my $child;
	my @statuses = post_many($t, \@posts, 8, sub ($count) {
		return if $count != 60;
		$child = fork // die "fork: $!";
		return if $child;
		eval { crash_database($t); start_database($t); 1 }
			or print STDERR $@;
		POSIX::_exit($@ eq '' ? 0 : 1);
	});
	waitpid $child, 0;
	is $?, 0, 'it did restart';
	is_deeply [ grep { !/^20[04]$/ } @statuses ], [], 'all are answered';
	is +($t->sweep)[0], 0, 'the next pass';
	is $t->sql(q{select count(*) from webhook_events where sid = any(?)},
		[ map { $_->[1]{MessageSid} } @posts ]), scalar @posts,
		'every event is stored once';
	is $t->sql(q{select count(*) from twilio_sms where message_sid =
		any(?) and body = 'hello'}, [ map { $_->[1]{MessageSid} }
		@posts ]), 150, 'and every text';
};

subtest 'a table that is locked for a moment is no wrong configuration' => sub {
	my ($bin) = Ringback::Test::slurp($t->dir . '/.state') =~
		/^BINDIR=(.+)$/m;
	$t->dbh->begin_work;
	$t->dbh->do('lock table numbers in access exclusive mode');
	my ($status, undef, $said) = Ringback::Test::run_command(
		"$bin/ringback-worker", '-f', $t->dir . '/.env', 'hooks');
	isnt $status, 78, 'a worker that starts now is not kept from starting';
	like $said, qr/lock timeout/, 'though it says what it met';
	($status) = Ringback::Test::run_command("$bin/ringback-admin", '-f',
		$t->dir . '/.env', 'number', 'list');
	is $status, 75, 'try later, says ringback-admin';
	$t->dbh->rollback;
};

subtest 'spooled files that are damaged do not hold up the others' => sub {
	crash_database($t);
	my @texts = map { { $t->text } } 1 .. 6;
	$t->post_signed('/api/twilio/sms', $_) for @texts;
	my @files = spooled();
	my $write = sub ($file, $bytes) {
		open my $fh, '>:raw', $file or die "$file: $!";
		print {$fh} $bytes;
		close $fh or die $!;
	};
	my $whole = Ringback::Test::slurp($files[0]);
	$write->($files[0], substr $whole, 0, -10);		# cut short
	$write->($files[1], Ringback::Test::slurp($files[1])
		=~ s/Body=hello/Body=jello/r);			# a bit flipped
	$write->($files[2], '');
	$write->("$spool/new/README", "What is this?\n");
	$write->("$spool/new/.hidden", $whole);
	$write->("$spool/tmp/0-unfinished", substr $whole, 0, 100);
	mkdir "$spool/new/0-directory" or die $!;
	$write->($t->dir . '/run/elsewhere', $whole);
	symlink $t->dir . '/run/elsewhere', "$spool/new/0-link" or die $!;
	POSIX::mkfifo("$spool/new/0-pipe", 0600) or die $!;
	chown +(stat $files[0])[4, 5], grep { !-l } spooled();
	chmod 0770, grep { !-l } spooled();
	start_database($t);

	my $pass = Ringback::Pass->start($t, { before => [ 'timeout', 20 ] });
	my ($status, $out, $err) = $pass->end;
	is $status, 1, 'exit 1: somebody should look';
	like $out, qr/ 3 events replayed/, 'the others are stored';
	like $out, qr/ 7 failed/, 'and those counted';
	is $t->sql('select count(*) from twilio_sms where message_sid =
		any(?)', [ map { $_->{MessageSid} } @texts[3 .. 5] ]), 3,
		'which are the three that were whole';
	my @bad = qw(0-directory 0-link 0-pipe);
	is_deeply [ map { s{.*/}{}r } spooled('bad') ], \@bad,
		'what is no file is set aside in bad/';
	is scalar spooled(), 0, 'nothing else waits';
	like $err, qr/set aside in bad.*file="?\Q$_\E/, "the log names $_"
		for @bad;
	like $err, qr/the journal has it file="?\Q$_\E/, "and $_"
		for 'README', map { s{.*/}{}r } @files[0 .. 2];
	my $dead = $t->dbh->selectall_arrayref(q{select body, refused from
		webhook_events where refused is not null order by id},
		{ Slice => {} });
	is_deeply [ map { "$_->{refused}: " . length $_->{body} } @$dead ],
		[ map { "the spooled record is damaged: $_" }
		length($whole) - 10, length $whole, 0, 14 ],
		'the damaged are in the journal, byte by byte, with why';
	is +($t->sweep)[0], 0, 'the next pass does not try them again';
};

$t->done;
