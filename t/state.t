# SPDX-License-Identifier: ISC
# Callbacks come late, twice, at once and in any order; what is stored in the
# end does not depend on it.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::Promise;
use Ringback::Test;
use Ringback::Wire;

my $t = Ringback::Test->new(workers => 3);

sub sid { return Ringback::Test::sid(@_) }

# --- sending many ----------------------------------------------------------

# Every order of the values.
sub permutations (@all) {
	return [] unless @all;
	return map {
		my @rest = @all;
		my ($first) = splice @rest, $_, 1;
		map { [ $first, @$_ ] } permutations(@rest)
	} 0 .. $#all;
}

# The headers and the body of a webhook, [path, form].
sub signed ($webhook) {
	my ($path, $form) = @$webhook;
	return ('X-Twilio-Signature' => Ringback::Test::signature(
		$t->base . $path, $form), Ringback::Test::encode($form));
}

# The webhooks of a story, one after the other; the answers that were not 2xx.
sub send_in_turn ($wire, @story) {
	return map {
		my ($name, $signature, $body) = signed($_);
		my $status = $wire->post($_->[0], $body, $name, $signature
			)->{status};
		$status =~ /^2/ ? () : "$_->[0]: $status";
	} @story;
}

# Several stories side by side, by a few processes; what was not accepted.
sub deliver_all (@stories) {
	$t->note_secrets($_->[1]) for map { $_->[0] } @stories;
	return [ send_in_turn(Ringback::Wire->to($t), @{ $stories[0] }) ]
		if @stories == 1;
	my @pipes = map {
		my $share = $_;
		my $pid = open(my $pipe, '-|') // die "fork: $!";
		if (!$pid) {
			my $wire = Ringback::Wire->to($t);
			print map { "$_\n" } send_in_turn($wire, map { @{
				$stories[$_] } } grep { $_ % 4 == $share }
				0 .. $#stories);
			STDOUT->flush;
			POSIX::_exit(0);
		}
		$pipe;
	} 0 .. 3;
	return [ map { my $pipe = $_; map { s/\n//r } <$pipe> } @pipes ];
}

# All webhooks at the same moment, each on a connection of its own; their
# statuses and bodies.
sub deliver_at_once (@webhooks) {
	my @answers;
	Mojo::Promise->all(map {
		my ($name, $signature, $body) = signed($_);
		$t->{ua}->start_p($t->{ua}->build_tx(POST => $t->base . $_->[0],
			{ 'Content-Type' => 'application/x-www-form-urlencoded',
			$name => $signature }, $body))
	} @webhooks)->then(sub (@all) {
		@answers = map { [ $_->[0]->res->code, $_->[0]->res->body ] }
			@all;
	})->catch(sub ($why) { fail "delivered: $why" })->wait;
	return @answers;
}

# Different rows among these, but for what names them and when it was.
sub distinct ($table, $key, @sids) {
	return map { $_->[0] } @{ $t->dbh->selectall_arrayref(<<~"SQL", undef,
		select distinct to_jsonb(x) - '{id, call_sid, message_sid,
			recording_sid, recording_url, created_at, updated_at,
			run_at}'::text[]
		from $table x where $key = any(?)
		SQL
		\@sids) };
}

sub call_row ($sid) {
	return $t->row('select * from twilio_calls where call_sid = ?', $sid);
}

sub recording_row ($sid) {
	return $t->row('select * from twilio_recordings
		where recording_sid = ?', $sid);
}

sub sms_row ($sid) {
	return $t->row('select * from twilio_sms where message_sid = ?', $sid);
}

# Plays the events of one thing in every order, with a new thing for each
# order, every event sent twice: in its place, and again when the story is
# told backwards. $make gives [webhooks], SIDs. Returns lists of the SIDs.
sub in_every_order ($what, $make) {
	my ($events) = $make->();
	my (@stories, @sids);
	for my $order (permutations(0 .. $#$events)) {
		my ($webhooks, @names) = $make->();
		my @story = @$webhooks[@$order];
		push @stories, [ @story, reverse @story ];
		push @{ $sids[$_] }, $names[$_] for 0 .. $#names;
	}
	is_deeply deliver_all(@stories), [], scalar(@stories)
		. " orders of $what, each event twice: all accepted";
	return @sids;
}

# --- calls -----------------------------------------------------------------

# What Twilio calls back about a call of ours.
sub outbound_events ($call_sid) {
	my %call = $t->call(CallSid => $call_sid, Direction => 'outbound-api',
		From => $Ringback::Test::NUMBER, To => $Ringback::Test::CALLER,
		CallbackSource => 'call-progress-events');
	my @more = ({}, {}, {}, { AnsweredBy => 'human' },
		{ CallDuration => 42, Duration => 1, SipResponseCode => 200 });
	my @statuses = qw(queued initiated ringing in-progress completed);
	return map { [ '/api/twilio/status', { %call, CallStatus =>
		$statuses[$_], SequenceNumber => $_, %{ $more[$_] } } ] } 0 .. 4;
}

subtest 'a call\'s events end in one same row, whatever their order' => sub {
	my ($sids) = in_every_order('five events', sub {
		my $sid = sid('CA');
		return [ outbound_events($sid) ], $sid;
	});
	is scalar(distinct(twilio_calls => 'call_sid', @$sids)), 1, 'one row';
	my $row = call_row($sids->[0]);
	is_deeply [ @$row{qw(status status_seq duration answered_by direction
		from_number to_number)} ], [ 'completed', 4, 42, 'human',
		'outbound-api', $Ringback::Test::NUMBER,
		$Ringback::Test::CALLER ], 'and it has all of it';
	is $t->sql('select count(*) from webhook_events where sid = any(?)',
		$sids), 5 * @$sids, 'every event is journalled once';
};

subtest 'a status never goes back, at no point of the story' => sub {
	my %rank = (queued => 0, initiated => 1, ringing => 2,
		'in-progress' => 3, completed => 9);
	for my $order ([ 0 .. 4 ], [ 4, 3, 2, 1, 0 ], [ 2, 0, 4, 1, 3 ]) {
		my $sid = sid('CA');
		my $highest = -1;
		for my $event ((outbound_events($sid))[@$order]) {
			deliver_all([$event]);
			my $rank = $rank{ $event->[1]{CallStatus} };
			$highest = $rank if $rank > $highest;
			is $rank{ call_row($sid)->{status} }, $highest,
				"after $event->[1]{CallStatus}";
		}
	}
};

subtest 'of two ends the one with the lower SequenceNumber stands' => sub {
	for my $case ([ 'completed', 3, 'failed', 4 ],
		[ 'failed', 3, 'completed', 4 ],
		[ 'no-answer', 3, 'completed', 5 ],
		[ 'busy', 0, 'canceled', 1 ],
		[ 'completed', 3, 'busy', '' ]) {
		my ($first, $lower, $second, $higher) = @$case;
		my @sids;
		for my $order ([ 0, 1 ], [ 1, 0 ], [ 0, 1, 0 ], [ 1, 0, 1 ]) {
			my $sid = sid('CA');
			my @ends = (
				{ CallStatus => $first, SequenceNumber => $lower,
				CallDuration => 42, AnsweredBy => 'human',
				SipResponseCode => 200 },
				{ CallStatus => $second, SequenceNumber => $higher,
				CallDuration => 0, AnsweredBy => 'unknown',
				SipResponseCode => 487, ErrorCode => 13225 });
			deliver_all([ map { [ '/api/twilio/status',
				{ $t->call(CallSid => $sid), %$_ } ] }
				@ends[@$order] ]);
			push @sids, $sid;
		}
		is scalar(distinct(twilio_calls => 'call_sid', @sids)), 1,
			"$first then $second: one row in either order";
		my $row = call_row($sids[1]);
		is $row->{status}, $first, "which is $first";
		is $row->{duration}, 42, 'with its own duration';
	}
};

subtest 'a status of a call nobody told us of makes a row for it' => sub {
	my $sid = sid('CA');
	is_deeply deliver_all([ [ '/api/twilio/status', { AccountSid =>
		$Ringback::Test::ACCOUNT, CallSid => $sid, CallStatus =>
		'completed', CallDuration => 7 } ] ]), [], 'accepted';
	is_deeply [ @{ call_row($sid) }{qw(status duration from_number)} ],
		[ 'completed', 7, undef ], 'a row with what is known';
	deliver_all([ [ '/api/twilio/voice', { $t->call(CallSid => $sid) } ] ]);
	is_deeply [ @{ call_row($sid) }{qw(status duration from_number
		direction)} ], [ 'completed', 7, $Ringback::Test::CALLER,
		'inbound' ], 'which the call itself fills';
};

subtest 'the owner of a number owns its calls, texts and recordings' => sub {
	my $number = '+15005550123';
	$t->dbh->do(q{insert into numbers (number, phone_number_sid, user_id)
		values (?, ?, 'user-123')}, undef, $number, 'PN' . 'd' x 32);
	my %in = $t->call(To => $number, Called => $number);
	my %out = $t->call(From => $number, To => $Ringback::Test::CALLER,
		Direction => 'outbound-api', CallStatus => 'queued');
	my %foreign = $t->call(From => $number);
	my %text = $t->text(To => $number);
	my %recording = $t->recording($in{CallSid});
	is_deeply deliver_all([ [ '/api/twilio/recording-status', \%recording ],
		[ '/api/twilio/voice', \%in ] ], [ [ '/api/twilio/status', \%out
		] ], [ [ '/api/twilio/voice', \%foreign ] ],
		[ [ '/api/twilio/sms', \%text ] ]), [], 'all accepted';
	is_deeply [ @{ call_row($in{CallSid}) }{qw(user_id
		phone_number_sid)} ], [ 'user-123', 'PN' . 'd' x 32 ],
		'a call to it';
	is call_row($out{CallSid})->{user_id}, 'user-123', 'a call from it';
	is call_row($foreign{CallSid})->{user_id}, undef,
		'but not a call to somebody else, whoever says he is calling';
	is sms_row($text{MessageSid})->{user_id}, 'user-123', 'a text to it';
	is recording_row($recording{RecordingSid})->{user_id}, 'user-123',
		'a recording that came before its call';
};

# --- recordings ------------------------------------------------------------

# The webhooks of a voicemail, by name.
sub voicemail ($call_sid, $recording_sid) {
	my %call = $t->call(CallSid => $call_sid);
	my %recording = $t->recording($call_sid,
		RecordingSid => $recording_sid);
	my %action = %recording;
	delete @action{qw(RecordingStatus ErrorCode RecordingChannels
		RecordingSource RecordingStartTime)};
	my %running = (%recording, RecordingStatus => 'in-progress');
	delete $running{RecordingDuration};
	my %lost = (%running, RecordingStatus => 'absent');
	return (
		voice => [ '/api/twilio/voice', \%call ],
		action => [ '/api/twilio/recording', { %call, %action,
			CallStatus => 'completed', Digits => 'hangup',
			RecordingDuration => 11 } ],
		'in-progress' => [ '/api/twilio/recording-status', \%running ],
		completed => [ '/api/twilio/recording-status', \%recording ],
		absent => [ '/api/twilio/recording-status', \%lost ],
		end => [ '/api/twilio/status', { %call, CallStatus =>
			'completed', CallDuration => 33, SequenceNumber => 0,
			CallbackSource => 'call-progress-events' } ],
	);
}

subtest 'so do a voicemail\'s, the recording before its call or not' => sub {
	my ($calls, $recordings) = in_every_order('a voicemail', sub {
		my @sids = (sid('CA'), sid('RE'));
		my %of = voicemail(@sids);
		return [ @of{qw(voice action in-progress completed end)} ],
			@sids;
	});
	is scalar(distinct(twilio_calls => 'call_sid', @$calls)), 1,
		'one row of the call';
	is_deeply [ @{ call_row($calls->[0]) }{qw(status duration from_number
		to_number direction phone_number_sid recording_sid)} ],
		[ 'completed', 33, $Ringback::Test::CALLER,
		$Ringback::Test::NUMBER, 'inbound', 'PN' . 'b' x 32,
		$recordings->[0] ], 'complete';
	is scalar(distinct(twilio_recordings => 'recording_sid',
		@$recordings)), 1, 'one row of the recording';
	is_deeply [ @{ recording_row($recordings->[0]) }{qw(step status
		twilio_status duration channels source attempts)} ],
		[ 'download', 'pending', 'completed', 12, 1, 'RecordVerb', 0 ],
		'ready for the sweep, with its final length';
	is $t->sql('select count(*) from twilio_recordings where run_at >
		now() and recording_sid = any(?)', $recordings), 0,
		'and due at once';
};

subtest 'any callbacks of a recording, in any order, mean the same' => sub {
	my @names = qw(action in-progress completed absent);
	my (%sids, @stories);
	for my $set (1 .. 15) {
		my @set = map { $names[$_] } grep { $set & 1 << $_ } 0 .. 3;
		for my $order (permutations(@set)) {
			my @own = (sid('CA'), sid('RE'));
			my %of = voicemail(@own);
			push @stories, [ @of{@$order} ];
			push @{ $sids{"@set"} }, $own[1];
		}
	}
	is_deeply deliver_all(@stories), [], scalar(@stories) . ' accepted';
	for my $set (sort keys %sids) {
		my @want = $set =~ /completed/ ? ('download', 'pending', 1)
			: $set =~ /absent/ ? ('skipped', 'failed', 1)
			: $set =~ /action/ ? ('download', 'pending', 0)
			: ('wait', 'pending', 0);
		is_deeply $t->dbh->selectall_arrayref(q{select distinct step,
			status, (run_at <= now())::int from twilio_recordings
			where recording_sid = any(?)}, undef, $sids{$set}),
			[ \@want ], "$set: $want[0], $want[1], "
			. ($want[2] ? 'now' : 'after some grace');
	}
};

subtest 'a recording without its call waits for it in a stub' => sub {
	my @sids = (sid('CA'), sid('RE'));
	my %of = voicemail(@sids);
	deliver_all([ $of{completed} ]);
	is_deeply [ @{ call_row($sids[0]) }{qw(status from_number
		recording_sid)} ], [ 'unknown', undef, $sids[1] ], 'a stub';
	deliver_all([ @of{qw(voice end)} ]);
	is_deeply [ @{ call_row($sids[0]) }{qw(status from_number duration
		recording_sid)} ], [ 'completed', $Ringback::Test::CALLER, 33,
		$sids[1] ], 'which the call fills';
};

subtest 'a recording that is only named by its URL' => sub {
	my @sids = (sid('CA'), sid('RE'));
	my %of = voicemail(@sids);
	delete $of{action}[1]{RecordingSid};
	is_deeply deliver_all([ $of{action} ]), [], 'accepted';
	is recording_row($sids[1])->{call_sid}, $sids[0], 'known by its SID';
	delete $of{action}[1]{RecordingUrl};
	is_deeply deliver_all([ $of{action} ]), [],
		'and <Record> may end without any';
};

subtest 'a call recorded from its start tells of it at its end' => sub {
	my @sids = (sid('CA'), sid('RE'));
	my %recording = $t->recording($sids[0], RecordingSid => $sids[1]);
	my %end = ((outbound_events($sids[0]))[4][1]->%*, map { $_ =>
		$recording{$_} } qw(RecordingSid RecordingUrl
		RecordingDuration));
	is_deeply deliver_all([ [ '/api/twilio/status', \%end ] ]), [],
		'accepted';
	is call_row($sids[0])->{duration}, 42, 'the call has its duration';
	is_deeply [ @{ recording_row($sids[1]) }{qw(call_sid step duration)} ],
		[ $sids[0], 'download', 12 ], 'the recording its own';
};

# --- texts -----------------------------------------------------------------

# What Twilio calls back about a text of ours.
sub text_events ($sid, $more, @statuses) {
	my %text = (MessageSid => $sid, SmsSid => $sid, AccountSid =>
		$Ringback::Test::ACCOUNT, From => $Ringback::Test::NUMBER,
		To => $Ringback::Test::CALLER, ApiVersion => '2010-04-01');
	return map { [ '/api/twilio/status', { %text, MessageStatus => $_,
		SmsStatus => $_, %{ $more->{$_} // {} } } ] } @statuses;
}

subtest 'a text is delivered, in whatever order that is told' => sub {
	my ($sids) = in_every_order('a delivery', sub {
		my $sid = sid('SM');
		return [ text_events($sid, { delivered => { RawDlrDoneDate =>
			'2609011000' } }, qw(accepted queued sending sent
			delivered)) ], $sid;
	});
	is scalar(distinct(twilio_sms => 'message_sid', @$sids)), 1, 'one row';
	is_deeply [ @{ sms_row($sids->[0]) }{qw(status direction error_code)} ],
		[ 'delivered', 'outbound-api', undef ], 'delivered';
};

subtest 'a failure keeps its reason, whatever is told after it' => sub {
	my %why = (undelivered => { ErrorCode => 30003 });
	my ($sids) = in_every_order('a failure', sub {
		my $sid = sid('SM');
		return [ text_events($sid, \%why, qw(queued sending sent
			undelivered)) ], $sid;
	});
	is scalar(distinct(twilio_sms => 'message_sid', @$sids)), 1, 'one row';
	my $row = sms_row($sids->[0]);
	is_deeply [ @$row{qw(status error_code)} ], [ 'undelivered', 30003 ],
		'undelivered';
	like $row->{error_message}, qr/^[A-Z][a-z]+ [a-z ]+.*\.$/,
		"and a sentence says why: $row->{error_message}";
	my $sid = sid('SM');
	deliver_all([ text_events($sid, { failed => { ErrorCode => 39999 } },
		'failed') ]);
	like sms_row($sid)->{error_message}, qr{^Twilio's .*39999.*\.$},
		'also for a code that nobody has explained to us';
};

subtest 'a text that was read had been delivered' => sub {
	my @sids = map { sid('SM') } 1 .. 2;
	my @orders = ([qw(sent delivered read)], [qw(read delivered sent)]);
	deliver_all(map { [ text_events($sids[$_], {}, @{ $orders[$_] }) ] }
		0 .. 1);
	is sms_row($_)->{status}, 'read', 'read' for @sids;
};

subtest 'an inbound text keeps what the first request said' => sub {
	my %text = $t->text(Body => 'as it came');
	deliver_all([ [ '/api/twilio/sms', \%text ],
		text_events($text{MessageSid}, {}, 'received') ]);
	is_deeply [ @{ sms_row($text{MessageSid}) }{qw(body direction status
		num_segments)} ], [ 'as it came', 'inbound', 'received', 1 ],
		'body, direction, status';
};

# --- any two ---------------------------------------------------------------

# In the order in which they may follow each other; of those side by side the
# first to come stays.
my %order = (
	call => [ [ qw(queued a-new-word) ], ['initiated'], ['ringing'],
		['in-progress'], [ qw(completed busy failed no-answer
		canceled) ] ],
	text => [ [ qw(scheduled a-new-word) ], ['accepted'], ['queued'],
		['receiving'], ['sending'], ['sent'], [ qw(delivered undelivered
		failed canceled received partially_delivered) ], ['read'] ],
);

for my $kind (sort keys %order) {
	subtest "any two statuses of a $kind, one after the other" => sub {
		my (%place, @stories, %expected);
		my $n = 0;
		for my $words (@{ $order{$kind} }) {
			$place{$_} = $n for @$words;
			$n++;
		}
		for my $first (sort keys %place) {
			for my $second (sort keys %place) {
				my %form = $kind eq 'call' ? $t->call : $t->text;
				delete $form{SmsStatus};
				my $status = $kind eq 'call' ? 'CallStatus' :
					'MessageStatus';
				push @stories, [ map { [ '/api/twilio/status',
					{ %form, $status => $_ } ] } $first,
					$second ];
				$expected{ $form{CallSid} // $form{MessageSid} }
					= "$first, $second: " .
					($place{$second} > $place{$first} ?
					$second : $first);
			}
		}
		is_deeply deliver_all(@stories), [], 'all are taken';
		my ($table, $sid) = $kind eq 'call' ? qw(twilio_calls call_sid)
			: qw(twilio_sms message_sid);
		my %is = map { @$_ } @{ $t->dbh->selectall_arrayref("select
			$sid, status from $table where $sid = any(?)", undef,
			[ keys %expected ]) };
		is_deeply { map { my $story = $expected{$_}; $_ =>
			$story =~ s/: .*//r . ": $is{$_}" } keys %is },
			\%expected, 'and the further one holds';
	};
}

# --- at once ---------------------------------------------------------------

subtest 'the same webhook a hundred times at once is one' => sub {
	my %call = $t->call;
	my %text = $t->text;
	my %of = voicemail(sid('CA'), sid('RE'));
	for my $case ([ '/api/twilio/voice', \%call, 'CallSid' ],
		[ '/api/twilio/sms', \%text, 'MessageSid' ],
		[ @{ $of{completed} }, 'RecordingSid' ]) {
		my ($path, $form, $name) = @$case;
		my %answers;
		$answers{"@$_"}++ for deliver_at_once(
			map { [ $path, $form ] } 1 .. 100);
		is scalar keys %answers, 1, "$path: one answer for all";
		like join('', keys %answers), qr/^20[04] /, 'a good one';
		is $t->sql('select count(*) from webhook_events where sid = ?',
			$form->{$name}), 1, 'one event';
	}
	is $t->sql('select count(*) from twilio_calls where call_sid = ?',
		$call{CallSid}), 1, 'one row';
};

subtest 'everything about one call at the same moment' => sub {
	for my $round (1 .. 8) {
		my @sids = (sid('CA'), sid('RE'));
		my %of = voicemail(@sids);
		delete $of{absent};
		my @answers = deliver_at_once(values %of, values %of,
			map { [ $_->[0], { %{ $_->[1] }, From =>
			$Ringback::Test::CALLER, To => $Ringback::Test::NUMBER,
			Direction => 'inbound' } ] }
			(outbound_events($sids[0]))[0 .. 3]);
		is scalar(grep { $_->[0] !~ /^20[04]$/ } @answers), 0,
			'all accepted';
		is_deeply [ @{ call_row($sids[0]) }{qw(status duration
			from_number answered_by recording_sid)} ],
			[ 'completed', 33, $Ringback::Test::CALLER, 'human',
			$sids[1] ], 'nothing of the call is lost';
		is_deeply [ @{ recording_row($sids[1]) }{qw(step
			twilio_status duration)} ], [ 'download', 'completed',
			12 ], 'nor of its recording';
	}
	unlike $t->log('postgres'), qr/deadlock/, 'no deadlock';
	unlike $t->log('worker-hooks'), qr/spooled/,
		'and nothing had to wait for the sweep';
};

$t->done;
