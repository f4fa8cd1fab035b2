# SPDX-License-Identifier: ISC
# What watches ringback sees: that it is alive, whether it is ready and what
# is waiting, and counters that are right whichever process is asked.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Outside qw(speech silence);
use Ringback::Test;
use Ringback::Trouble qw(crash_database forget_connections post_many
	start_database workers);

my $WORKERS = 3;
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(workers => $WORKERS, fakes => $outside->fakes);
my $key = $t->key(name => 'office');

# --- the text that Prometheus reads ----------------------------------------

# Samples by name and labels, after a reading as strict as the format is
# (exposition format 0.0.4).
sub samples ($text) {
	my (%value, %type, %help, $now, %over);
	like $text, qr/\n\z/, 'the last line ends' if $text !~ /\n\z/;
	my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"/;
	for my $line (split /\n/, $text) {
		if ($line =~ /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/) {
			my ($what, $name, $rest) = ($1, $2, $3);
			$over{$now}++ if defined $now && $now ne $name;
			die "$name comes twice" if $over{$name};
			$now = $name;
			die "$name has two $what" if $what eq 'HELP'
				? $help{$name}++ : exists $type{$name};
			die "$name is a $rest" if $what eq 'TYPE' &&
				$rest !~ /^(?:counter|gauge)$/;
			$type{$name} = $rest if $what eq 'TYPE';
			next;
		}
		$line =~ /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{$label(?:,$label)*\})?
			\ (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/x
			or die "no sample: '$line'";
		my ($name, $labels, $value) = ($1, $2 // '', $3);
		die "$name has no TYPE above it" if ($now // '') ne $name ||
			!$type{$name} || !$help{$name};
		die "a counter is called $name" if $type{$name} eq 'counter' &&
			$name !~ /_total$/;
		die "a gauge is called $name" if $type{$name} eq 'gauge' &&
			$name =~ /_total$/;
		die "$name$labels comes twice" if exists $value{"$name$labels"};
		$value{"$name$labels"} = $value;
	}
	return \%value;
}

sub metrics () {
	my $answer = $t->request(GET => '/metrics');
	is $answer->status, 200, 'counters' if $answer->status != 200;
	return samples($answer->body);
}

subtest 'the counters are what Prometheus reads' => sub {
	my $answer = $t->request(GET => '/metrics');
	is $answer->status, 200, 'there';
	is $answer->type, 'text/plain; version=0.0.4; charset=utf-8', 'its type';
	my $samples = eval { samples($answer->body) };
	is $@, '', 'by the rules of the format';
	cmp_ok scalar keys %$samples, '>', 25, keys(%$samples) . ' samples';
	ok exists $samples->{$_}, $_ for 'ringback_database_up',
		'ringback_requests_total{pool="hooks",class="2xx"}',
		'ringback_sweeps_total', 'ringback_oldest_due_seconds';
	for my $wrong ("x 1\n", "# HELP x y\n# TYPE x counter\nx 1\n",
		"# HELP x_total y\n# TYPE x_total counter\nx_total 1\nx_total 2\n",
		"# HELP x y\n# TYPE x gauge\nx one\n") {
		is eval { samples($wrong); 1 }, undef,
			'the reading sees mistakes';
	}
	SKIP: {
		skip 'promtool is not there', 1
			if system('command -v promtool >/dev/null') != 0;
		my $file = File::Temp->new;
		print {$file} $answer->body;
		$file->flush;
		my ($status, $out, $err) = Ringback::Test::run_command('sh',
			'-c', 'promtool check metrics <"$1"', 'sh', "$file");
		is $status, 0, 'promtool' or diag $out, $err;
	}
};

# --- what is counted -------------------------------------------------------

# A worker counts behind its answer: whoever has had all answers waits until
# all workers wait again.
sub settle () {
	for my $pid (map { workers($t, $_) } qw(hooks api)) {
		$t->wait_for("$pid to wait", sub { state_of($pid) eq 'S' });
	}
	return;
}

sub state_of ($pid) {
	return Ringback::Test::slurp("/proc/$pid/stat") =~ /\) (\w) / ? $1 : '';
}

# How the counters change while that is done. Asking is a request too: the
# first question falls into it.
sub counts ($do, $expected, $what) {
	settle();
	my $before = metrics();
	$do->();
	settle();
	my $after = metrics();
	my %change = map { $_ => $after->{$_} - ($before->{$_} // 0) }
		grep { /_total/ && !/milliseconds/ } keys %$after;
	$change{'ringback_requests_total{pool="api",class="2xx"}'} -= 1;
	is_deeply { map { my ($name, $labels) = /^ringback_(\w+)_total(.*)$/;
		(join(' ', $name, $labels =~ /"(\w+)"/g) => $change{$_}) }
		grep { $change{$_} != 0 } keys %change },
		ref $expected eq 'CODE' ? $expected->() : $expected, $what;
	return;
}

sub each_worker ($pool, $do) {
	my @all = workers($t, $pool);
	is scalar @all, $WORKERS, "$WORKERS workers for $pool";
	for my $one (@all) {
		my @others = grep { $_ != $one } @all;
		kill 'STOP', @others;
		# Told to stop is not stopped: it may still take a request.
		for my $other (@others) {
			$t->wait_for("$other to stop", sub {
				state_of($other) eq 'T' });
		}
		forget_connections($t);
		$do->($one);
		kill 'CONT', @others;
	}
	return;
}

subtest 'every worker counts, and each tells the sum of all' => sub {
	my @voice = map { [ '/api/twilio/voice', { $t->call } ] } 1 .. 12;
	counts(sub {
		my $n = 0;
		each_worker('hooks', sub ($pid) {
			is $t->post_signed(@{ $voice[$n++] })->status, 200,
				"taken by $pid" for 1 .. 4;
		});
	}, { 'requests hooks 2xx' => 12, 'webhooks database' => 12 },
		'twelve calls');
	counts(sub {
		$t->post_signed(@$_) for @voice[0 .. 4];
	}, { 'requests hooks 2xx' => 5, 'webhooks again' => 5 },
		'five of them delivered again');
	counts(sub {
		each_worker('api', sub ($pid) {
			is $t->api(GET => '/api/twilio/calls', $key)->status,
				200, "answered by $pid";
		});
	}, { 'requests api 2xx' => $WORKERS }, 'a page from each');
	my %seen;
	each_worker('api', sub ($pid) {
		my $counts = metrics();
		$seen{ $counts->{'ringback_webhooks_total{kept="database"}'} }++;
	});
	is_deeply \%seen, { 12 => $WORKERS }, 'and all of them say twelve';
};

subtest 'many at once, none lost' => sub {
	my @posts = map { [ '/api/twilio/sms', { $t->text } ] } 1 .. 200;
	counts(sub {
		my %statuses;
		$statuses{$_}++ for post_many($t, \@posts, 16);
		is_deeply \%statuses, { 200 => 200 }, '200 texts, 16 at a time';
	}, { 'requests hooks 2xx' => 200, 'webhooks database' => 200 },
		'counted one by one');
};

subtest 'what goes wrong' => sub {
	counts(sub {
		$t->post_unsigned('/api/twilio/voice', { $t->call }) for 1 .. 3;
		$t->request(GET => '/api/twilio/voice');
	}, { 'requests hooks 4xx' => 4, 'bad_signatures' => 3 },
		'three forgeries and a wrong method');
	counts(sub {
		$t->request(GET => '/api/twilio/calls');
		$t->api(GET => '/api/twilio/calls?limit=0', $key);
		$t->api(GET => '/api/nothing', $key);
	}, { 'requests api 4xx' => 3 }, 'no key, no number, nothing there');
};

subtest 'what is sent' => sub {
	my sub send_text ($to, $status, %says) {
		$outside->next(twilio => \%says) if %says;
		is $t->api(POST => '/api/twilio/send-sms', $key, { to => $to,
			body => 'Your cake is ready.' })->status, $status,
			"$to: $status";
	}
	counts(sub {
		send_text('+14155550181', 201, status => 201, json => {
			sid => Ringback::Test::sid('SM'), status => 'queued' });
		send_text('+14155550182', 202, status => 500);
		send_text('+14155550183', 422, status => 400,
			json => { code => 21211 });
		send_text('+442071838750', 403);
		$t->api(POST => '/api/twilio/send-sms?dryRun=1', $key, {
			to => '+14155550184', body => 'would this go?' });
	}, { 'requests api 2xx' => 3, 'requests api 4xx' => 2,
		'sends sent' => 1, 'sends unknown' => 1, 'sends failed' => 1,
		'sends stopped' => 1 }, 'one of each; a dry run is none');
};

subtest 'what the sweep does' => sub {
	$t->sweep;	# what was waiting
	my %told;
	counts(sub {
		my $pass = sub {
			my @n = ($t->sweep)[1] =~
				/(\d+) (?:done|without|failed|later)/g;
			$told{$_} += shift @n for qw(done silent failed later);
		};
		$outside->recording($t, speech(50));
		$outside->recording($t, silence());
		my $tried = $outside->recording($t, speech(60));
		$t->dbh->do('UPDATE twilio_recordings SET attempts = 12 WHERE
			recording_sid = ?', undef, $tried);
		$pass->();
		$outside->recording($t, speech(70));
		$outside->next(openai => { status => 503 });
		$pass->();
	}, sub () {
		return { 'requests hooks 2xx' => 8, 'webhooks database' => 8,
			sweeps => 2, map { ("recordings $_" => $told{$_}) }
			keys %told };
	}, 'as two passes told');
	cmp_ok $told{$_}, '>=', 1, "$_: $told{$_}" for sort keys %told;
};

subtest 'counters outlive their workers' => sub {
	my $counts = metrics();
	for my $pool (qw(api hooks)) {
		my @were = workers($t, $pool);
		kill 'KILL', @were;
		$t->wait_for("new $pool workers", sub {
			my %old = map { $_ => 1 } @were;
			(grep { !$old{$_} } workers($t, $pool)) == $WORKERS });
	}
	is_deeply { map { $_ => metrics()->{$_} } grep { /webhooks|sends|sweeps/ }
		keys %$counts }, { map { $_ => $counts->{$_} }
		grep { /webhooks|sends|sweeps/ } keys %$counts },
		'killed, all of them, and nothing forgotten';
};

# --- ready -----------------------------------------------------------------

sub ready ($status = 200) {
	my $answer = $t->request(GET => '/readyz');
	is $answer->status, $status, "ready: $status" or diag $answer;
	return $answer->json;
}

subtest 'ready, and what is waiting' => sub {
	$t->dbh->do('DELETE FROM twilio_recordings');
	$t->dbh->do("UPDATE twilio_sms SET status = 'failed' WHERE message_sid
		IS NULL");
	my %quiet = (success => Mojo::JSON->true, database => 'ok',
		spooledWebhooks => 0, recordingsDue => 0, oldestDueSeconds => 0,
		recordingsGivenUp => 0, sendsUnsettled => 0,
		servicesPaused => '');
	is_deeply ready(), \%quiet, 'nothing is';
	my $add = sub ($step, $due) {
		$t->dbh->do("INSERT INTO twilio_recordings (recording_sid, step,
			run_at) VALUES (?, ?, now() + ?::interval)", undef,
			Ringback::Test::sid('RE'), $step, $due);
	};
	$add->(@$_) for [ 'download', '-1 hour' ], [ 'analyse', '-2 hours' ],
		[ 'wait', '-5 minutes' ], [ 'download', '1 hour' ],
		[ 'dead', '-1 day' ], [ 'done', '-1 day' ],
		[ 'skipped', '-1 day' ];
	$t->dbh->do("INSERT INTO twilio_sms (to_number, status) VALUES
		('+14155550189', 'unknown'), ('+14155550189', 'failed')");
	$t->dbh->do("INSERT INTO twilio_calls (to_number, status) VALUES
		('+14155550189', 'unknown'), ('+14155550189', 'sending'),
		('+14155550189', 'failed')");
	$t->dbh->do("INSERT INTO pauses (service, until, why) VALUES ('speech',
		now(), '')");
	my $json = ready();
	cmp_ok delete $json->{oldestDueSeconds}, '>=', 7200,
		'the oldest is two hours old';
	delete $quiet{oldestDueSeconds};
	is_deeply $json, { %quiet, recordingsDue => 3, recordingsGivenUp => 1,
		sendsUnsettled => 3, servicesPaused => 'speech' }, 'three '
		. 'recordings due, one given up, three sends open, one pause';
	my $counts = metrics();
	is_deeply { map { $_ => $counts->{"ringback_$_"} } qw(database_up
		spooled_webhooks recordings_due recordings_given_up
		sends_unsettled services_paused) }, { database_up => 1,
		spooled_webhooks => 0, recordings_due => 3,
		recordings_given_up => 1, sends_unsettled => 3,
		services_paused => 1 }, 'the same as gauges';
	cmp_ok $counts->{ringback_oldest_due_seconds}, '>=', 7200, 'and age';
	$t->dbh->do("DELETE FROM $_") for qw(twilio_recordings pauses);
};

subtest 'not ready without the database, but alive' => sub {
	delete $t->{dbh};
	crash_database($t);
	my $answer = $t->request(GET => '/readyz');
	is $answer->status, 503, 'not ready';
	is_deeply $answer->json, { success => Mojo::JSON->false,
		database => 'away', spooledWebhooks => 0 }, 'and why';
	my $alive = $t->request(GET => '/healthz');
	is $alive->status, 200, 'alive all the same';
	is_deeply $alive->json, { success => Mojo::JSON->true,
		status => 'alive' }, 'in words';
	counts(sub {
		$t->post_signed('/api/twilio/voice', { $t->call }) for 1 .. 4;
		ready(503) for 1 .. 2;
	}, { 'requests hooks 2xx' => 4, 'webhooks spool' => 4,
		'requests api 5xx' => 2 }, 'four calls are spooled');
	is ready(503)->{spooledWebhooks}, 4, 'which can be seen';
	my $counts = metrics();
	is $counts->{ringback_database_up}, 0, 'the database is down';
	is $counts->{ringback_spooled_webhooks}, 4, 'four on disk';
	ok !exists $counts->{ringback_recordings_due},
		'nothing is said of what nobody knows';
};

subtest 'and back again, at once' => sub {
	start_database($t);
	$t->wait_for('the workers to look again', sub {
		$t->request(GET => '/readyz')->status == 200 });
	counts(sub { $t->sweep }, { replayed => 4, sweeps => 1 }, 'taken in');
	is ready()->{spooledWebhooks}, 0, 'none on disk';
	# A worker that has not seen it go finds out before it asks.
	each_worker('api', sub ($pid) {
		$t->wait_for("$pid to be ready", sub {
			$t->request(GET => '/readyz')->status == 200 });
	});
	crash_database($t);
	start_database($t);
	each_worker('api', sub ($pid) {
		is $t->api(GET => '/api/twilio/calls', $key)->status, 200,
			"a restart that $pid did not notice";
	});
};

subtest 'a place for counters that is not there costs no call' => sub {
	$t->change(METRICS_FILE => $t->dir . '/nowhere/metrics');
	is $t->post_signed('/api/twilio/voice', { $t->call })->status, 200,
		'a call is taken';
	is $t->request(GET => '/metrics')->status, 200, 'counters all the same';
	like $t->log('worker-hooks'), qr/warn .*counting for this process alone/,
		'and the log tells';
};

$t->done;
