#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The carrier that stands in for Twilio, as programs that call its REST API
# meet it: shapes, errors, callbacks, and failures made to order.
use v5.36;
use utf8;
use FindBin;
use lib "$FindBin::Bin/standin/lib";
use Carrier::Test;
use MIME::Base64 'encode_base64';
use Mojo::JSON qw(decode_json encode_json);
use Test::More;
use Time::HiRes 'time';

my $backend  = backend;
my @validate = -r $spec ? ('--validate', $spec) : ();
start_carrier('--env', env_file('.env'), '--ca', "$dir/backend.pem",
    @validate);

subtest 'a call through the API' => sub {
	%on = ('/twiml' => '<Response><Say>Your appointment is tomorrow.</Say>'
	    . '</Response>');
	my $place = sub (%ask) {
		@got = ();
		control(POST => 'hold');
		my $res = rest(POST => 'Calls.json', {From => OURS,
		    To => '+14155550188', Url => "$backend/twiml",
		    StatusCallback => "$backend/s", StatusCallbackEvent =>
		    [qw(initiated ringing answered completed)], %ask});
		is $res->code, 201, 'created' or diag $res->body;
		is $res->json->{status}, 'queued', '… and queued';
		is_deeply [paths()], [], '… before anything happens';
		control(DELETE => 'hold');
		control(GET => 'idle');
		return rest(GET => "Calls/" . $res->json->{sid} . '.json')->json;
	};
	my $call = $place->(Record => 'true', RecordingChannels => 'dual',
	    RecordingStatusCallback => "$backend/r",
	    RecordingStatusCallbackEvent => 'in-progress completed');
	is_deeply [map { $_->[0] eq '/r' ? $_->[1]{RecordingStatus}
	    : $_->[0] eq '/s' ? $_->[1]{CallStatus} : $_->[0] } @got],
	    [qw(initiated ringing in-progress in-progress /twiml completed
	    completed)], 'callbacks in order';
	ok !(grep { !signed_right($_) } @got), 'all signed';
	my @status = map { $_->[1] } grep { $_->[0] eq '/s' } @got;
	is_deeply [map { $_->{SequenceNumber} } @status], [0 .. 3], 'numbered';
	is $got[4][1]{Direction}, 'outbound-api', 'the TwiML is asked for';
	is_deeply [$call->@{qw(status direction phone_number_sid)}],
	    ['completed', 'outbound-api', PN], 'the call is over';
	my $last = $got[-1][1];
	is_deeply [$last->@{qw(RecordingSource RecordingChannels
	    RecordingTrack)}], ['OutboundAPI', 2, 'both'], 'one recording';
	is $last->{RecordingSid}, $status[-1]{RecordingSid}, '… told at the end';
	my $list = rest(GET => "Calls/$call->{sid}/Recordings.json")->json;
	is $list->{recordings}[0]{sid}, $last->{RecordingSid}, '… and listed';
	my $re = "Recordings/$last->{RecordingSid}.wav";
	my %channels = ('' => 2, '?RequestedChannels=2' => 2,
	    '?RequestedChannels=1' => 1);
	is unpack('x22 v', rest(GET => "$re$_")->body), $channels{$_},
	    "media$_ has $channels{$_}" for sort keys %channels;

	$place->(To => '+14155550001');
	is $got[-1][1]{CallStatus}, 'busy', 'a number ending in 0001 is busy';
	ok !(grep { $_->[0] eq '/twiml' } @got), '… and never hears TwiML';
	$place->(To => '+14155550004', MachineDetection => 'Enable');
	is $got[-1][1]{AnsweredBy}, 'machine_start', 'a machine at 0004';
	$place->(Twiml => '<Response><Hangup/></Response>');
	ok scalar(grep { $_->[0] eq '/twiml' } @got), 'Url wins over Twiml';
	$place->(Url => '', Twiml => '<Response><Redirect>/x</Redirect>'
	    . '</Response>');
	is_deeply [paths()], ['/s', '/s', '/s', '/s'],
	    'inline TwiML has nothing for a relative URL to be relative to';

	$on{'/broken'} = '<Response>';
	$place->(Url => "$backend/broken", FallbackUrl => "$backend/twiml");
	my ($second) = map { $_->[1] } grep { $_->[0] eq '/twiml' } @got;
	is_deeply [$second->@{qw(ErrorCode ErrorUrl)}],
	    [12100, "$backend/broken"], 'FallbackUrl is asked, and told why';

	my $end = sub ($sid, $status) {
		rest_p(POST => "Calls/$sid.json", {Status => $status});
	};
	$on{'/long'} = sub ($c) {
		$c->render_later;
		$end->($c->param('CallSid'), 'completed')->then(sub ($res) {
			$c->render(data => '<Response><Redirect>/never'
			    . '</Redirect></Response>', format => 'xml');
		});
	};
	$call = $place->(Url => "$backend/long");
	is $call->{status}, 'completed', 'a call under way is ended';
	ok !(grep { $_->[0] eq '/never' } @got), '… at once';
	@got = ();
	control(POST => 'hold');
	my $queued = rest(POST => 'Calls.json', {From => OURS, To => YOU,
	    Url => "$backend/twiml", StatusCallback => "$backend/s"})->json;
	my $res = wait_for($end->($queued->{sid}, 'canceled'));
	is $res->json->{status}, 'canceled', 'a queued one is canceled';
	control(DELETE => 'hold');
	control(GET => 'idle');
	is_deeply \@got, [], '… before it is placed';
	refused(21220, 400, 'none can be ended twice', POST =>
	    "Calls/$queued->{sid}.json", {Status => 'completed'});

	my @twiml = (Twiml => '<Response/>');
	my %ok = (From => OURS, To => YOU, @twiml);
	for ([21201, 'no To', {%ok, To => ''}], [21213, 'no From',
		{%ok, From => ''}], [21205, 'nothing to do', {From => OURS,
		To => YOU}], [21211, 'bad To', {%ok, To => '5551234'}],
	    [21210, 'not our number', {%ok, From => '+12125550100'}],
	    [21217, 'magic invalid', {%ok, To => '+15005550001'}],
	    [32018, 'long Twiml', {%ok, Twiml => '<Response>' . ' ' x 4000}],
	    [21626, 'events with commas', {%ok,
		StatusCallbackEvent => 'initiated,ringing'}]) {
		my ($code, $what, $params) = @$_;
		refused($code, 400, $what, POST => 'Calls.json', $params);
	}
};

subtest 'texts through the API' => sub {
	@got = ();
	my %ok = (From => OURS, To => '+14155550111', Body => 'Hi',
	    StatusCallback => "$backend/m");
	my $res = rest(POST => 'Messages.json', \%ok);
	is $res->json->{status}, 'queued', 'queued';
	control(GET => 'idle');
	is_deeply [map { $_->[1]{MessageStatus} } @got], [qw(sent delivered)],
	    'sent, then delivered';
	ok $got[1][1]{RawDlrDoneDate}, 'the carrier says when';
	@got = ();
	$res = rest(POST => 'Messages.json', {%ok, To => '+14155530003'});
	control(GET => 'idle');
	is_deeply [map { [$_->[1]->@{qw(MessageStatus ErrorCode)}] } @got],
	    [['sent', undef], ['undelivered', 30003]], 'an unreachable handset';
	my %service = (%ok, MessagingServiceSid => 'MG' . 'a' x 32);
	delete $service{From};
	$res = rest(POST => 'Messages.json', \%service)->json;
	is_deeply [$res->@{qw(status from num_segments)}],
	    ['accepted', undef, '0'], 'a service chooses the sender later';
	for ([21604, 'no To', {%ok, To => ''}], [21603, 'no From',
		{%ok, From => ''}], [21602, 'no Body', {%ok, Body => ''}],
	    [21617, 'too long', {%ok, Body => 'x' x 1601}],
	    [21211, 'magic invalid', {%ok, To => '+15005550001'}],
	    [21610, 'magic opted out', {%ok, To => '+15005550004'}],
	    [21408, 'magic region', {%ok, To => '+15005550003'}],
	    [21614, 'magic landline', {%ok, To => '+15005550009'}],
	    [21606, 'not our number', {%ok, From => '+12125550100'}]) {
		my ($code, $what, $params) = @$_;
		refused($code, 400, $what, POST => 'Messages.json', $params);
	}
	control(GET => 'idle');
	my (@sids, $pages);
	my $next = "Messages.json?From=%2B18454090692&PageSize=2";
	while ($next) {
		my $page = rest(GET => $next)->json;
		push @sids, map { $_->{sid} } $page->{messages}->@*;
		$next = $page->{next_page_uri}
		    && $page->{next_page_uri} =~ s{^@{[API]}/}{}r;
		$pages++;
	}
	my %all = map { $_ => 1 } @sids;
	is scalar(keys %all), scalar @sids, 'pages do not overlap';
	cmp_ok $pages, '>', 1, "$pages pages of two";
	my $list = rest(GET => 'Messages.json?To=%2B14155530003')->json;
	is scalar $list->{messages}->@*, 1, 'found by To';
	for (['>=2020-01-01', 1], ['<=2020-01-01', 0], ['>=2999-01-01', 0]) {
		$list = rest(GET => "Messages.json?To=%2B14155530003&DateSent"
		    . $_->[0])->json;
		is scalar $list->{messages}->@*, $_->[1], "DateSent$_->[0]";
	}
	$res = rest(POST => "Messages/$sids[1].json", {Body => ''});
	is_deeply [$res->code, $res->json->@{qw(body from)}],
	    [200, '', OURS], 'an empty Body redacts, and no more';
	is rest(DELETE => "Messages/$sids[0].json")->code, 204, 'deleted';
	is rest(GET => "Messages/$sids[0].json")->code, 404, '… and gone';
};

subtest 'what a text carries can be listed and deleted' => sub {
	$on{'/api/twilio/sms'} = '<Response/>';
	my $sid = control(POST => text => {from => YOU, body => 'two', media =>
	    [map { {base64 => encode_base64($_)} } qw(one two)]})
	    ->{message_sid};
	my $list = sub ($of) { rest(GET => "Messages/$of/Media.json") };
	my @media = $list->($sid)->json->{media_list}->@*;
	is scalar @media, 2, 'two pictures';
	my $one = "Messages/$sid/Media/$media[0]{sid}";
	is rest(GET => "$one.json")->json->{parent_sid}, $sid, 'one of them';
	is rest(DELETE => "$one.json")->code, 204, 'is deleted';
	is rest(GET => $_)->code, 404, '… and gone' for $one, "$one.json";
	is rest(DELETE => "$one.json")->code, 404, '… for good';
	is scalar $list->($sid)->json->{media_list}->@*, 1, 'the other stays';
	is rest(GET => "Messages/$sid.json")->json->{body}, 'two',
	    'and so do the words';
	is $list->('SM' . '0' x 32)->code, 404, 'of no text at all: none';
};

subtest 'shapes are those of the published description' => sub {
	plan skip_all => "no $spec" if !-r $spec;
	open my $fh, '<', $spec or die $!;
	my $schemas = decode_json(do { local $/; <$fh> })->{components}{schemas};
	my %kind = (calls => ['Calls', 'call'], messages => ['Messages',
	    'message'], recordings => ['Recordings', 'recording'],
	    incoming_phone_numbers => ['IncomingPhoneNumbers',
	    'incoming_phone_number'], media_list => ['Messages/'
	    . rest(GET => 'Messages.json?PageSize=1')->json->{messages}[0]{sid}
	    . '/Media', 'message.media']);
	my %type = (string => sub ($v) { !ref $v },
	    integer => sub ($v) { encode_json([$v]) =~ /^\[-?\d+\]$/ },
	    boolean => sub ($v) { ref $v eq 'JSON::PP::Boolean' },
	    object => sub ($v) { ref $v eq 'HASH' });
	control(POST => call => {say => 'For the record.'});
	for my $name (sort keys %kind) {
		my ($path, $schema) = $kind{$name}->@*;
		my $want = $schemas->{"api.v2010.account.$schema"}{properties};
		my $list = rest(GET => "$path.json")->json->{$name};
		ok scalar @$list, "$name are listed";
		my @wrong;
		for my $thing (@$list) {
			push @wrong, "without $_"
			    for grep { !exists $thing->{$_} } keys %$want;
			push @wrong, "unknown $_"
			    for grep { !$want->{$_} } keys %$thing;
			for (grep { defined $thing->{$_} } keys %$want) {
				my $ask = $want->{$_};
				$ask = $schemas->{$ask->{'$ref'} =~ s{.*/}{}r}
				    if $ask->{'$ref'};
				my $v = $thing->{$_};
				push @wrong, "$_ not $ask->{type}"
				    if !$type{$ask->{type}}->($v);
				push @wrong, "$_=$v" if $ask->{enum}
				    && !grep { $_ eq $v } $ask->{enum}->@*;
				push @wrong, "$_=$v" if $ask->{pattern}
				    && $v !~ /$ask->{pattern}/;
			}
		}
		is_deeply \@wrong, [], "$name: every property, no other";
	}
	is_deeply control(GET => 'violations')->{violations}, [],
	    'nothing above broke the description';
	refused(20001, 400, 'an unknown parameter', POST => 'Messages.json',
	    {From => OURS, To => YOU, Body => 'x', Colour => 'red'});
	refused(20001, 400, 'a wrong type', POST => 'Calls.json',
	    {From => OURS, To => YOU, Twiml => '<Response/>',
	    Timeout => 'long'});
	is_deeply [map { [$_->@{qw(parameter problem)}] }
	    control(GET => 'violations')->{violations}->@*],
	    [['Colour', 'unknown parameter'],
	    ['Timeout', 'not of type integer: long']], 'both are kept';
};

# --- credentials, failures, memory

subtest 'credentials and the journal' => sub {
	control(DELETE => 'journal');
	is rest(GET => 'Calls.json', {}, AC . ':wrong')->json->{code}, 20003,
	    'a wrong token';
	is rest(GET => 'Calls.json', {}, '')->code, 401, 'none at all';
	refused(20404, 404, 'no such call', GET => 'Calls/CA' . '0' x 32 . '.json');
	refused(20004, 405, 'no such method', DELETE => 'Calls.json');
	my $requests = control(GET => 'journal')->{requests};
	is_deeply [map { [$_->@{qw(method credentials status)}] } @$requests],
	    [['GET', 'bad', 401], ['GET', 'none', 401], ['GET', 'ok', 404],
	    ['DELETE', 'ok', 405]], 'all of it in the journal';
	my (undef, $text) = run('grep', '-rlF', TOKEN, "$dir/state");
	is $text, '', 'the token is in no file of the state';
};

subtest 'failures on request' => sub {
	my $count = sub () {
		my $list = rest(GET => 'Messages.json?To=%2B14155550166');
		return scalar $list->json->{messages}->@*;
	};
	my @send = (POST => 'Messages.json',
	    {From => OURS, To => '+14155550166', Body => 'x'});
	my $fault = sub (%ask) {
		control(POST => faults =>
		    {match => '^POST .*/Messages\.json$', %ask});
	};
	$fault->(times => 2, status => 429, headers => {'Retry-After' => 1},
	    body => {code => 20429, message => 'slow down', status => 429});
	for (1, 2) {
		my $res = rest(@send);
		is_deeply [$res->code, $res->json->{code},
		    $res->headers->header('Retry-After')], [429, 20429, 1],
		    'told to slow down';
	}
	is $count->(), 0, '… and nothing sent';
	is rest(@send)->code, 201, 'twice means twice';
	$fault->(before => \1);
	like eval { rest(@send); '' } // $@, qr/close|reset/i, 'no answer';
	is $count->(), 1, '… and nothing done';
	$fault->(drop => \1);
	like eval { rest(@send); '' } // $@, qr/close|reset/i, 'no answer';
	is $count->(), 2, '… though it was done';
	$fault->(status => 500, process => \1);
	is rest(@send)->code, 500, 'an error';
	is $count->(), 3, '… though it was done';
	$fault->(delay_ms => 300);
	# At least as late as asked; how much later is the machine's affair.
	my $began = time;
	is rest(@send)->code, 201, 'an answer';
	cmp_ok time - $began, '>=', 0.3, '… held back';
	$fault->(hold => \1);
	my $answer;
	my $held = rest_p(@send)->then(sub ($res) { $answer = $res });
	for (1 .. 500) {
		last if $count->() == 5;
	}
	is $count->(), 5, 'done';
	is $answer, undef, '… and the answer held';
	control(DELETE => 'faults');
	is wait_for($held)->code, 201, '… and given then';
	$fault->(status => 500);
	control(DELETE => 'faults');
	is rest(@send)->code, 201, 'cleared';
	my $re = control(POST => media => {base64 => encode_base64("\0" x 9),
	    content_type => 'text/html', status => 500})->{recording_sid};
	my $res = rest(GET => "Recordings/$re.mp3");
	is_deeply [$res->code, $res->headers->content_type, $res->body],
	    [500, 'text/html', "\0" x 9], 'any media whatever';
	control(POST => media => {recording_sid => $re, base64 =>
	    encode_base64('ID3')});
	$res = rest(GET => "Recordings/$re.mp3");
	is_deeply [$res->code, $res->headers->content_type, $res->body],
	    [200, 'audio/mpeg', 'ID3'], '… and well again';
};

done_testing;
