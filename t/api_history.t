# SPDX-License-Identifier: ISC
# What somebody who pages through calls and texts with curl gets to see: the
# guide's own URLs, pages that lose and repeat nothing, filters, and one thing
# with all that hangs on it.
use v5.36;
use utf8;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::URL;
use Mojo::Util qw(encode url_escape);
use Ringback::Outside qw(speech);
use Ringback::Test;

binmode Test::More->builder->$_, ':utf8'
	for qw(output failure_output todo_output);

my $OURS = '+18454090692';	# the guide's
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes, env => {
	TWILIO_PHONE_NUMBER => $OURS });
my $key = $t->key(name => 'office');

sub get ($path) { return $t->api(GET => $path, $key) }
sub calls ($query) { return get("/api/twilio/calls?$query") }

# The SIDs on a page of whatever kind.
sub sids ($answer) {
	my $json = $answer->json;
	return [ map { $_->{sid} } @{ $json->{calls} // $json->{messages} } ];
}

sub is_refused ($answer, $field, $what, $code = undef) {
	my $json = eval { $answer->json } // {};
	is_deeply [ $answer->status, $json->{success}, $json->{field} ],
		[ 400, Mojo::JSON->false, $field ], "400: $what"
		or diag $answer;
	is $json->{code}, $code, "… as $code" if defined $code;
	unlike $json->{error} // '', qr/SQL|database|[0-9A-Z]{5} /,
		'… in words that tell nothing of the inside';
	return;
}

# A row as it is in the database; the sid of a new one.
sub add ($table, %row) {
	my $name = $table eq 'twilio_sms' ? 'message_sid' : 'call_sid';
	$row{$name} //= Ringback::Test::sid($name eq 'call_sid' ? 'CA' : 'SM');
	my @names = sort keys %row;
	$t->dbh->do("INSERT INTO $table (" . join(', ', @names) . ') VALUES ('
		. join(', ', ('?') x @names) . ')', undef, @row{@names});
	return $row{$name};
}

sub add_call (%row) {
	return add('twilio_calls', from_number => '+14155550100',
		to_number => '+14155550101', direction => 'inbound',
		status => 'completed', %row);
}

# --- the guide's URLs ------------------------------------------------------

subtest "GET /api/twilio/calls?phoneNumber=+18454090692&limit=50" => sub {
	my %in = $t->call(To => $OURS, Called => $OURS);
	$t->post_signed('/api/twilio/voice', \%in);
	my %other = $t->call(To => '+15005550001', Called => '+15005550001');
	$t->post_signed('/api/twilio/voice', \%other);
	my $answer = calls('phoneNumber=+18454090692&limit=50');
	is $answer->status, 200, 'answered' or diag $answer;
	like $answer->type, qr{^application/json}, 'as JSON';
	my $json = $answer->json;
	is_deeply [ sort keys %$json ], [qw(calls next success)],
		'the keys that clients know, and next';
	is $json->{success}, Mojo::JSON->true, 'success';
	is $json->{next}, undef, 'no second page';
	is $answer->header('Link'), undef, 'nor a link to one';
	is scalar @{ $json->{calls} }, 1, 'the call to that number alone';
	my $call = $json->{calls}[0];
	is $call->{sid}, $in{CallSid}, 'sid';
	is $call->{from_number}, $Ringback::Test::CALLER, 'from';
	is $call->{to_number}, $OURS, 'to';
	is $call->{direction}, 'inbound', 'direction';
	is $call->{status}, 'ringing', 'status';
	like $call->{created_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/,
		'a time as RFC 3339';
	for my $way ('%2B18454090692', '+1%20(845)%20409-0692',
		'%2B1-845-409-0692', 'tel:%2B18454090692') {
		my $answer = calls("phoneNumber=$way");
		is_deeply sids($answer), [ $in{CallSid} ], "phoneNumber=$way"
			or diag $answer;
	}
	is_deeply sids(calls("phoneNumber=$Ringback::Test::CALLER")),
		[ $other{CallSid}, $in{CallSid} ], "the caller's, newest first";
	is_deeply calls('phoneNumber=+19995550000')->json->{calls}, [],
		'none is an empty list';
};

subtest "GET /api/twilio/sms?phoneNumber=+18454090692&limit=50" => sub {
	my %text = $t->text(To => $OURS, Body => 'Grüße 👍');
	$t->post_signed('/api/twilio/sms', \%text);
	$t->post_signed('/api/twilio/sms', { $t->text });
	my $json = get('/api/twilio/sms?phoneNumber=+18454090692&limit=50')
		->json;
	is_deeply [ sort keys %$json ], [qw(messages next success)], 'keys';
	is scalar @{ $json->{messages} }, 1, 'the text to that number alone';
	my $message = $json->{messages}[0];
	is $message->{sid}, $text{MessageSid}, 'sid';
	is $message->{body}, $text{Body}, 'every character of it';
	is $message->{status}, 'received', 'status';
};

subtest 'a side that is no number' => sub {
	my %call = $t->call(From => 'client:alice', Caller => 'client:alice');
	$t->post_signed('/api/twilio/voice', \%call);
	is_deeply sids(calls('phoneNumber=client:alice')), [ $call{CallSid} ],
		'client:alice';
};

# --- pages -----------------------------------------------------------------

# 300 calls of one number at 20 times, 15 at each.
my $TIMES = 20;
my %paged = map { $_ => [] } qw(calls sms);
for my $n (0 .. 299) {
	my %row = (created_at => sprintf('2026-03-%02d 10:00:00.123456+00',
		1 + $n % $TIMES), user_id => 'user-pages',
		from_number => $n % 2 ? '+15005550300' : '+14155550777',
		to_number => $n % 2 ? '+14155550777' : '+15005550300',
		direction => $n % 2 ? 'outbound-api' : 'inbound');
	push @{ $paged{calls} }, add_call(%row);
	push @{ $paged{sms} }, add('twilio_sms', %row, body => "text $n",
		status => 'delivered');
}

# All pages by following next, or the Link as it is; what was on them.
sub walk ($path, $follow, $meanwhile = sub {}) {
	my (@sids, @sizes);
	for (1 .. 400) {
		my $answer = get($path);
		is $answer->status, 200, 'a page' or diag($path, $answer), last;
		my ($json, $link) = ($answer->json, $answer->header('Link'));
		my $page = sids($answer);
		push @sids, @$page;
		push @sizes, scalar @$page;
		my $next = $json->{next};
		is defined $link, defined $next, 'next and Link agree'
			or last;
		last if !defined $next;
		like $link, qr/^<\Q${\ $t->base}\E[^>]+>; rel="next"$/, $link;
		my ($url) = $link =~ /^<(.*?)>/;
		is(Mojo::URL->new($url)->query->param('cursor'), $next,
			'on the cursor too');
		$meanwhile->();
		if ($follow eq 'Link') {
			$path = $url =~ s/^\Q${\ $t->base}\E//r;
		} else {
			$path =~ s/[&?]cursor=[^&]*//;
			$path .= ($path =~ /\?/ ? '&' : '?') . "cursor=$next";
		}
	}
	return (\@sids, \@sizes);
}

sub in_order ($table, $where) {
	my $name = $table eq 'twilio_sms' ? 'message_sid' : 'call_sid';
	return [ map { $_->[0] } @{ $t->dbh->selectall_arrayref("SELECT $name
		FROM $table WHERE $where ORDER BY created_at DESC, id DESC") } ];
}

subtest 'every row exactly once, newest first, whatever the page' => sub {
	my $where = "user_id = 'user-pages'";
	for my $kind (qw(calls sms)) {
		my $all = in_order("twilio_$kind", $where);
		is scalar @$all, 300, "300 $kind";
		for my $by ("phoneNumber=+15005550300&limit=7",
			'limit=100&userId=user-pages',
			'userId=user-pages&limit=1000',
			'phoneNumber=%2B15005550300&userId=user-pages&limit=13',
			'phoneNumber=+15005550300') {
			for my $follow (qw(next Link)) {
				my ($sids, $sizes) = walk(
					"/api/twilio/$kind?$by", $follow);
				is_deeply $sids, $all, "$kind: $by by $follow";
				my ($limit) = $by =~ /limit=(\d+)/;
				$limit //= 50;
				is_deeply $sizes, [ ($limit) x int(300 / $limit),
					300 % $limit || () ],
					'full pages, and no empty one at the end';
			}
		}
	}
};

subtest 'new calls do not disturb who is reading' => sub {
	my $all = in_order('twilio_calls', "user_id = 'user-pages'");
	my @new;
	my ($sids) = walk('/api/twilio/calls?phoneNumber=+15005550300&limit=9',
		'Link', sub {
			push @new, add_call(from_number => '+15005550300');
		});
	is_deeply $sids, $all, 'every row once, as when the reading began';
	cmp_ok scalar @new, '>', 30, 'while ' . @new . ' came in';
	is_deeply [ @{ sids(calls('phoneNumber=+15005550300&limit=1000')) }
		[ 0 .. $#new ] ], [ reverse @new ], 'which the next reader has';
	$t->dbh->do('DELETE FROM twilio_calls WHERE call_sid = ANY (?)', undef,
		\@new);
};

subtest 'everybody\'s, by pages' => sub {
	my ($sids) = walk('/api/twilio/calls?limit=11', 'Link');
	is_deeply $sids, in_order('twilio_calls', 'true'), 'all there are';
};

subtest 'a Link keeps the filters' => sub {
	my ($sids) = walk('/api/twilio/calls?phoneNumber=+15005550300&limit=4'
		. '&since=2026-03-05T00:00:00+00:00&until=2026-03-08'
		. '&direction=outbound&status=completed', 'Link');
	is_deeply $sids, in_order('twilio_calls', "user_id = 'user-pages'"
		. " AND created_at BETWEEN '2026-03-05Z' AND '2026-03-08Z'"
		. " AND direction = 'outbound-api'"), 'and no other rows';
	is scalar @$sids, 15, '15 of them: there were several pages';
	($sids) = walk('/api/twilio/sms?limit=2&q='
		. url_escape('text OR "text 2"') . '&userId=user-pages', 'Link');
	is scalar @$sids, 300, 'words too';
};

subtest 'limit' => sub {
	my $of = 'phoneNumber=+15005550300';
	is scalar @{ sids(calls($of)) }, 50, 'fifty if left out';
	is scalar @{ sids(calls("$of&limit=1")) }, 1, 'one';
	is scalar @{ sids(calls("$of&limit=1000")) }, 300, 'a thousand';
	is_refused(calls("limit=$_"), 'limit', "limit=$_", 'invalid_value')
		for qw(0 1001 -1 abc 1.5 1e3 0x10 99999999999999999999), '',
		'50%20', '50;', "50%00";
	is_refused(calls('limit=5&limit=6'), 'limit', 'given twice');
};

subtest 'cursors that are none' => sub {
	my $next = calls('limit=1')->json->{next};
	is calls("limit=1&cursor=$next")->status, 200, 'one that is';
	is_refused(calls('cursor=' . url_escape($_)), 'cursor', $_)
		for 'x', '', '1', '1-2', '-', "$next$next", uc "$next ",
		'1-' . '-' x 36, '1-' . 'a' x 36, '9' x 19 . substr($next, 16),
		"1' OR 1=1 --", $next =~ s/-/_/r, $next =~ s/.$/g/r,
		$next =~ s/-(.)/--$1/r;
	is calls('cursor=999999999999999999-' . $next =~ s/^\d+-//r)->status,
		200, 'one far in the future';
	is_deeply sids(calls('cursor=0-' . $next =~ s/^\d+-//r)), [],
		'one before all telephones';
};

# --- filters ---------------------------------------------------------------

subtest 'since and until' => sub {
	my $n = '+15005550400';
	my %at = map { $_ => add_call(from_number => $n, created_at => $_) }
		'2026-01-31 00:00:00+00', '2026-01-31 12:00:00+00',
		'2026-01-31 12:00:00.5+00', '2026-02-01 00:00:00+00';
	my @all = @at{ sort keys %at };
	my sub found ($query) {
		my $answer = calls("phoneNumber=$n&$query");
		is $answer->status, 200, $query or diag $answer;
		my %seen = map { $_ => 1 } @{ sids($answer) };
		return join '', map { $seen{$_} ? 1 : 0 } @all;
	}
	is found('since=2026-01-31'), '1111', 'a day begins at midnight UTC';
	is found('since=2026-02-01'), '0001', 'since includes its moment';
	is found('until=2026-02-01'), '1110', 'until does not';
	is found('since=2026-01-31&until=2026-02-01'), '1110', 'a day';
	is found('since=2026-01-31T12:00:00Z'), '0111', 'RFC 3339';
	is found('since=2026-01-31T12:00:00.5Z'), '0011', 'with a fraction';
	is found('since=2026-01-31T12:00:00.250Z'), '0011', 'before it';
	is found('until=2026-01-31T12:00:00+00:00'), '1000',
		'an offset with a raw +';
	is found('until=2026-01-31T12:00:00%2B00:00'), '1000', 'escaped';
	is found('since=2026-01-31T07:00:00-05:00'), '0111', 'west';
	is found('since=2026-01-31T14:00:00+02:00'), '0111', 'east';
	is found('since=2026-01-31T14:00:00.1+02:00'), '0011', 'a bit later';
	is found('since=2026-01-31%2012:00'), '0111', 'as people write it';
	is found('since=2026-02-01&until=2026-01-31'), '0000', 'none between';
	for my $bad ('yesterday', '', '2026', '2026-1-1', '2026-02-30',
		'2026-13-01', '2026-00-10', '2026-01-31T24:00:01Z',
		'2026-01-31T12:60:00Z', '2026-01-31T12:00:00%2B24:00',
		'2026-01-31T12:00:00%2B99:99', '2026-01-31T12:00:00Z;',
		'0000-01-01', '2026-01-31T12', "now()", '2026-01-31%00',
		'infinity', '2026-01-31T12:00:00 00:00 ') {
		for my $name (qw(since until)) {
			is_refused(calls("$name=$bad"), $name, "$name=$bad",
				'invalid_value');
		}
	}
};

subtest 'status, direction, and whose' => sub {
	my $n = '+15005550500';
	my %of = (
		a => add_call(to_number => $n, status => 'completed'),
		b => add_call(to_number => $n, status => 'no-answer'),
		c => add_call(from_number => $n, status => 'completed',
			direction => 'outbound-api', user_id => 'user-one'),
		d => add_call(from_number => $n, status => 'busy',
			direction => 'outbound-dial', user_id => 'user-two'),
	);
	my %name = reverse %of;
	my sub found ($query) {
		return join '', sort map { $name{$_} }
			@{ sids(calls("phoneNumber=$n&$query")) };
	}
	is found(''), 'abcd', 'all';
	is found('status=completed'), 'ac', 'status';
	is found('status=no-answer'), 'b', 'with a hyphen';
	is found('status=queued'), '', 'of none';
	is found('direction=inbound'), 'ab', 'in';
	is found('direction=outbound'), 'cd', 'out, by API or dialled';
	is found('userId=user-one'), 'c', 'whose';
	is found('userId=nobody'), '', "nobody's";
	is found('direction=outbound&status=completed'), 'c', 'together';
	is found('userId=user-two&direction=inbound'), '', 'contradicting';
	is_refused(calls('status=' . $_), 'status', "status=$_")
		for '', 'Completed', "x'", 'a' x 31, 'a%20b';
	is_refused(calls('direction=' . $_), 'direction', "direction=$_")
		for '', 'in', 'outbound-api', 'inbound|outbound';
	is_refused(calls('userId=' . $_), 'userId', 'userId too short or long')
		for '', 'x' x 129;
	is_refused(calls('phoneNumber=' . $_), 'phoneNumber',
		'phoneNumber too short or long') for '', 'x' x 101;
};

subtest 'words in a text' => sub {
	my %body = (
		a => 'The blue box is on the shelf.',
		b => 'A box that is blue; call me back, café.',
		c => 'No boxes here. 50% off!',
	);
	my %name = map { add('twilio_sms', body => $body{$_}, status => 'sent',
		from_number => '+15005550600', to_number => '+14155550100',
		direction => 'outbound-api') => $_ } keys %body;
	my sub found ($q, $more = '') {
		my $answer = get('/api/twilio/sms?phoneNumber=+15005550600'
			. "$more&q=" . url_escape(encode('UTF-8', $q)));
		is $answer->status, 200, $q or diag $answer;
		return join '', sort map { $name{$_} } @{ sids($answer) };
	}
	is found('box'), 'ab', 'a word';
	is found('BOX'), 'ab', 'in any case';
	is found('blue box'), 'ab', 'two words, anywhere';
	is found('"blue box"'), 'a', 'a quoted phrase, as it stands';
	is found('"box blue"'), '', 'in that order only';
	is found('box -shelf'), 'b', 'but not';
	is found('shelf or café'), 'ab', 'one or the other';
	is found('café'), 'b', 'beyond ASCII';
	is found('box', '&status=sent&direction=outbound'), 'ab', 'with others';
	is found('box', '&direction=inbound'), '', 'which exclude it';
	is found($_), "", "nothing found for $_, nothing broken"
		for "'", '"', '\\', '%', ':*', '& | !', '-', '<script>',
		"'; DROP TABLE twilio_sms; --";
	is_refused(get('/api/twilio/sms?q=' . $_), 'q', 'too short or long')
		for '', 'x' x 201;
};

subtest 'words in a transcript' => sub {
	my $sid = $outside->recording($t, speech(50));
	is((($t->sweep)[0]), 0, 'transcribed');
	my $call = $t->sql('SELECT call_sid FROM twilio_recordings WHERE
		recording_sid = ?', $sid);
	my ($bytes) = $t->sql('SELECT transcription FROM transcriptions WHERE
		recording_sid = ?', $sid) =~ /(\d+) bytes/;
	is_deeply sids(calls("q=$bytes")), [ $call ], 'a word of it';
	is_deeply sids(calls("q=%22these+are+$bytes%22")), [ $call ],
		'a phrase of it';
	is_deeply sids(calls("q=$bytes&phoneNumber=$Ringback::Test::NUMBER")),
		[ $call ], 'to that number';
	is_deeply sids(calls("q=$bytes&phoneNumber=+15005550300")), [],
		'not to another';
	is_deeply sids(calls("q=$bytes&userId=nobody")), [], "not another's";
	is_deeply sids(calls('q=%22are+these%22')), [], 'not in another order';
	my $later = $outside->recording($t, speech(70), CallSid => $call);
	$t->sweep;
	my ($more) = $t->sql('SELECT transcription FROM transcriptions WHERE
		recording_sid = ?', $later) =~ /(\d+) bytes/;
	is_deeply sids(calls("q=$more")), [ $call ],
		'nor need it be the first recording of the call';
};

subtest 'what is not known here' => sub {
	is_refused(calls('phone=%2B18454090692'), 'phone', 'a wrong name',
		'unknown_field');
	is_refused(calls('Limit=1'), 'Limit', 'in the wrong case');
	is_refused(calls('limit%00x=1'), undef, 'a name with a NUL in it');
	is_refused(calls('q=a%00b'), 'q', 'a NUL');
	is_refused(calls('q=a%ffb'), 'q', 'no UTF-8');
	is_refused(calls('q=%ed%a0%80'), 'q', 'half a character');
	is_refused(get('/api/twilio/calls/CA' . '0' x 32 . '?limit=1'), 'limit',
		'of another path');
	is calls('')->status, 200, 'nothing is fine';
	is calls('&&')->status, 200, 'and so is nothing twice';
};

# --- one thing -------------------------------------------------------------

# By SID and by the row's id; the same both times.
sub show ($kind, $sid, $id) {
	my ($by_sid, $by_id) = map { get("/api/twilio/$kind/$_") } $sid, $id;
	is $by_sid->status, 200, "$kind by its SID" or diag $by_sid;
	is $by_sid->json->{success}, Mojo::JSON->true, 'success';
	is_deeply $by_id->json, $by_sid->json, 'and the same by its id';
	return $by_sid->json;
}

sub id_of ($table, $name, $sid) {
	return $t->sql("SELECT id FROM $table WHERE $name = ?", $sid);
}

subtest 'a call with all that hangs on it' => sub {
	my %call = $t->call;
	my $sid = $call{CallSid};
	$t->post_signed('/api/twilio/voice', \%call);
	$t->post_signed('/api/twilio/status', { %call, SequenceNumber => 3,
		CallStatus => 'completed', CallDuration => 42 });
	my @recordings = map { $outside->recording($t, speech($_),
		CallSid => $sid) } 40, 60;
	$t->sweep;
	my $call = show('calls', $sid, id_of('twilio_calls', 'call_sid', $sid))
		->{call};
	is $call->{sid}, $sid, 'sid';
	is $call->{call_sid}, $sid, 'as the column is called';
	is $call->{duration}, 42, 'duration';
	is $call->{status}, 'completed', 'status';
	is_deeply [ sort map { $_->{sid} } @{ $call->{recordings} } ],
		[ sort @recordings ], 'its recordings';
	is_deeply [ map { $_->{status} } @{ $call->{recordings} } ],
		[ ('completed') x 2 ], 'dealt with';
	is_deeply [ sort map { $_->{recording_sid} }
		@{ $call->{transcriptions} } ], [ sort @recordings ],
		'their transcripts';
	for my $said (@{ $call->{transcriptions} }) {
		like $said->{transcription}, qr/^These are \d+ bytes\. Bye\.$/,
			'in words';
		is_deeply [ map { $_->{text} } @{ $said->{segments} } ],
			[ $said->{transcription} =~ /^(.*\.) (Bye\.)$/ ],
			'piece by piece';
		is $said->{segments}[0]{start}, 0, 'with times';
		cmp_ok $said->{segments}[1]{end}, '>', 2, 'to the end';
		is $said->{analysis}{summary},
			"They said: $said->{transcription}", 'analysed';
	}
	my @events = @{ $call->{events} };
	is_deeply [ map { $_->{status} } @events ],
		[qw(ringing completed)], 'what Twilio told of it, in order';
	like $_->{at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/,
		"$_->{route} at $_->{at}" for @events;

	my $re = $recordings[0];
	my $recording = show('recordings', $re, id_of('twilio_recordings',
		'recording_sid', $re))->{recording};
	is $recording->{call_sid}, $sid, 'a recording: its call';
	is $recording->{duration}, 12, 'seconds';
	is $recording->{step}, 'done', 'done';
	is_deeply [ map { $_->{status} } @{ $recording->{events} } ],
		['completed'], 'its events';
	my $id = $recording->{transcription_id};
	my ($of_call) = grep { $_->{id} eq $id } @{ $call->{transcriptions} };
	is_deeply $recording->{transcription}, $of_call, 'its transcript';
	is_deeply show('transcriptions', $re, $id)->{transcription}, $of_call,
		'which has an address of its own';
	is $of_call->{call_sid}, $sid, 'and names its call';
	is $of_call->{model}, 'whisper-1', 'who heard it';
	is $of_call->{analysis_model}, 'fake-llm-2', 'who thought about it';
};

subtest 'a text with its events' => sub {
	my $sid = Ringback::Test::sid('SM');
	$t->post_signed('/api/twilio/sms-status', { $t->text(MessageSid => $sid,
		SmsSid => $sid, MessageStatus => $_, SmsStatus => $_,
		$_ eq 'undelivered' ? (ErrorCode => 30005) : ()) })
		for qw(queued sent undelivered);
	my $text = show('sms', $sid, id_of('twilio_sms', 'message_sid', $sid))
		->{message};
	is $text->{status}, 'undelivered', 'status';
	is $text->{error_code}, 30005, 'why';
	like $text->{error_message}, qr/\w+ \w+ \w+/, 'in words: '
		. $text->{error_message};
	is_deeply [ map { $_->{status} } @{ $text->{events} } ],
		[qw(queued sent undelivered)], 'its events';
};

subtest 'what an older installation left is read' => sub {
	my $markdown = "## Summary\n\nCaller *wants* a cake.";
	my $sid = add_call();
	my $re = Ringback::Test::sid('RE');
	$t->dbh->do("INSERT INTO transcriptions (recording_sid, call_sid,
		transcription, analysis) VALUES (?, ?, 'I want a cake.',
		to_jsonb(?::text))", undef, $re, $sid, $markdown);
	$t->dbh->do("INSERT INTO twilio_recordings (recording_sid, call_sid,
		step) VALUES (?, ?, 'done')", undef, $re, $sid);
	is get("/api/twilio/transcriptions/$re")->json->{transcription}
		{analysis}, $markdown, 'an analysis that is text';
	is get("/api/twilio/calls/$sid")->json->{call}{transcriptions}[0]
		{analysis}, $markdown, 'with its call too';
	is_deeply sids(calls('q=%22want+a+cake%22')), [ $sid ], 'and found';
};

subtest 'a call that hangs on nothing yet' => sub {
	my $call = get('/api/twilio/calls/' . add_call())->json->{call};
	is_deeply [ @$call{qw(recordings transcriptions events)} ],
		[ [], [], [] ], 'empty lists, not null';
	my $re = Ringback::Test::sid('RE');
	$t->dbh->do('INSERT INTO twilio_recordings (recording_sid) VALUES (?)',
		undef, $re);
	my $recording = get("/api/twilio/recordings/$re")->json->{recording};
	ok exists $recording->{transcription}, 'a recording has the member';
	is $recording->{transcription}, undef, 'before there is a transcript';
};

subtest 'what is not there' => sub {
	my %prefix = (calls => 'CA', sms => 'SM', recordings => 'RE',
		transcriptions => 'RE');
	for my $kind (sort keys %prefix) {
		for my $id ($prefix{$kind} . 'f' x 32,
			'00000000-0000-4000-8000-000000000000') {
			my $answer = get("/api/twilio/$kind/$id");
			is $answer->status, 404, "$kind/$id";
			is $answer->json->{code}, 'not_found', 'in words: '
				. $answer->json->{error};
		}
		my $field = { calls => 'CallSid', sms => 'MessageSid',
			recordings => 'RecordingSid' }->{$kind} // 'id';
		is_refused(get("/api/twilio/$kind/$_"), $field, "$kind/$_")
			for 'x', 'PN' . '0' x 32, $prefix{$kind} . '0' x 31,
			"$prefix{$kind}${\('g' x 32)}", '1', '-' x 36,
			'00000000-0000-4000-8000-00000000000', '%2e%2e',
			"$prefix{$kind}%20${\('0' x 31)}";
	}
	is get('/api/twilio/calls/')->status, 404, 'no SID at all';
	is get('/api/twilio/faxes')->status, 404, 'no such history';
};

$t->done;
