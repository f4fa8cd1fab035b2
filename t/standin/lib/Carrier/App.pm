# SPDX-License-Identifier: ISC
# HTTP: Twilio's paths, which are authenticated, held against the published
# description, journalled and made to fail as a test asks; and /_carrier,
# by which people and tests make calls, send texts and look inside.
package Carrier::App;
use v5.36;
use Mojo::Base 'Mojolicious', -signatures;
use Carrier::Call;
use Carrier::Rest;
use Carrier::Shape qw(error_xml refusal_json);
use Carrier::Text 'text_in';
use Mojo::Asset::File;
use Mojo::IOLoop;
use Mojo::JSON 'encode_json';
use Mojo::Promise;

has [qw(carrier spec)];
has faults => sub { [] };
has rest => sub ($self) { Carrier::Rest->new(carrier => $self->carrier) };

# /_carrier: method, path, handler (app, JSON body) → JSON or a promise of it.
my @CONTROL = (
	[POST   => 'call',       \&_call],
	[POST   => 'text',       \&_text],
	[POST   => 'media',      \&_media],
	[POST   => 'numbers',    \&_number],
	[POST   => 'faults',     \&_fault_add],
	[GET    => 'faults',     sub ($self, $) { {faults => $self->faults} }],
	[DELETE => 'faults',     sub ($self, $) {
		$_->{hold} = 0 for $self->faults->@*;
		$self->faults([]); {} }],
	[GET    => 'journal',    sub ($self, $) {
		{requests => $self->carrier->store->journal} }],
	[DELETE => 'journal',    sub ($self, $) {
		$self->carrier->store->journal_clear; {} }],
	[GET    => 'violations', \&_violations],
	[GET    => 'sent',       sub ($self, $) {
		{requests => $self->carrier->webhook->sent} }],
	[GET    => 'idle',       \&_idle],
	# All that is here happened so many seconds earlier.
	[POST   => 'age',        sub ($self, $ask) {
		my $store = $self->carrier->store;
		for my $kind (qw(calls messages recordings)) {
			for my $thing ($store->all($kind)) {
				$thing->{$_} -= $ask->{seconds}
				    for grep { defined $thing->{$_} } qw(start_time
					end_time date_sent date_created);
				$store->save($kind, $thing);
			}
		}
		{} }],
	# Webhooks that reach nobody: {percent, seed}.
	[POST   => 'lossy',      sub ($self, $ask) {
		srand $ask->{seed} if defined $ask->{seed};
		$self->carrier->webhook->lossy($ask->{percent}); {} }],
	# Calls and texts asked for through the API begin when released.
	[POST   => 'hold',       sub ($self, $) { $self->carrier->held(1); {} }],
	[DELETE => 'hold',       sub ($self, $) { $self->carrier->held(0); {} }],
);

sub startup ($self) {
	$self->mode('production');
	$self->log->level('fatal');
	$self->max_request_size(256 * 1024 * 1024);
	my $routes = $self->routes;
	$routes->any('/2010-04-01/Accounts/:account/*rest' => [format => 0]
		=> sub ($c) { $self->_rest($c) });
	for (@CONTROL) {
		my ($method, $path, $handler) = @$_;
		$routes->any([$method] => "/_carrier/$path" => sub ($c) {
			$self->_control($c, $handler);
		});
	}
	$routes->any('/*other' => {other => ''} => sub ($c) {
		_error($c, 20404, $c->req->url->path->to_string);
	});
}

# --- Twilio's paths

sub _rest ($self, $c) {
	my $request = {
		account => $c->param('account'), method => $c->req->method,
		path => $c->req->url->path->to_string,
		rest => $c->stash('rest'), params => _params($c->req),
	};
	my $user  = $c->req->url->to_abs->userinfo;
	my $entry = {
		time => time, method => $request->{method},
		path => $request->{path}, params => _plain($request->{params}),
		credentials => !defined $user ? 'none'
		    : $self->_authentic($request, $user) ? 'ok' : 'bad',
	};
	my $fault = $self->_fault_take($c, $request);
	$entry->{fault} = $fault->{match} if $fault;
	my $answer;
	if ($fault && $fault->{before}) {
		$answer = undef;
	} elsif ($fault && $fault->{status} && !$fault->{process}) {
		$answer = _scripted($fault);
	} else {
		$answer = $self->_answer($request, $entry);
		$answer = _scripted($fault) if $fault && $fault->{status};
	}
	$entry->{status} = $answer && $answer->{status};
	$self->carrier->store->journal_add($entry);
	$c->render_later;
	my $tx = $c->tx;
	my $finish = sub {
		return Mojo::IOLoop->remove($tx->connection)
		    if !$answer || $fault && $fault->{drop};
		_render($c, $request, $answer);
	};
	return $finish->() if !$fault;
	return _when_released($fault, $finish) if $fault->{hold};
	return $finish->() if !$fault->{delay_ms};
	Mojo::IOLoop->timer($fault->{delay_ms} / 1000, $finish);
}

sub _when_released ($fault, $finish) {
	return $finish->() if !$fault->{hold};
	Mojo::IOLoop->timer(0.02, sub { _when_released($fault, $finish) });
}

sub _params ($req) {
	my $given = $req->method =~ /^(?:GET|HEAD)$/
	    ? $req->query_params : $req->params;
	return {map { $_ => $given->every_param($_) } $given->names->@*};
}

sub _plain ($params) {
	return {map {
		my @values = $params->{$_}->@*;
		$_ => @values == 1 ? $values[0] : \@values;
	} keys %$params};
}

sub _authentic ($self, $request, $userinfo) {
	my ($user, $password) = split /:/, $userinfo, 2;
	return $self->carrier->authentic($request->{account}, $user,
		$password // '');
}

sub _answer ($self, $request, $entry) {
	my $answer = eval {
		die {code => 20003} if $entry->{credentials} ne 'ok';
		die {code => 20404, about => $request->{path}}
		    if !$self->carrier->accounts->{$request->{account}};
		my @problems = $self->spec ? $self->spec->problems(
			$request->@{qw(method path params)}) : ();
		if (@problems) {
			$entry->{violations} = [map { {
				parameter => $_->[0], problem => $_->[1],
			} } @problems];
			die {code => 20001, about => join '; ',
				map { "@$_" } @problems} if length $problems[0][0];
		}
		$self->rest->answer($request);
	};
	return $answer if $answer;
	my $error = $@;
	if (!ref $error) {
		warn "carrier: $request->{method} $request->{path}: $error";
		return {status => 500, json => {code => 20500, status => 500,
			message => 'Internal Server Error', more_info =>
			'https://www.twilio.com/docs/errors/20500'}};
	}
	my ($status, $json) = refusal_json($error->{code}, $error->{about});
	return {status => $status, json => $json};
}

sub _render ($c, $request, $answer) {
	my $headers = $c->res->headers;
	$headers->header('Twilio-Request-Id' =>
		$c->app->carrier->store->sid('RQ'));
	$headers->www_authenticate('Basic realm="Twilio API"')
	    if $answer->{status} == 401;
	$headers->header($_ => $answer->{headers}{$_})
	    for sort keys(($answer->{headers} // {})->%*);
	$c->res->code($answer->{status});
	return $c->rendered if $answer->{status} == 204;
	if ($answer->{file}) {
		$headers->content_type($answer->{type});
		return $c->reply->asset(
			Mojo::Asset::File->new(path => $answer->{file}));
	}
	# Media answers errors in XML, everything else in JSON.
	if ($answer->{json} && $answer->{status} >= 400
	    && $request->{rest} !~ /\.json$/) {
		return $c->render(data => error_xml($answer->{json}),
			format => 'xml');
	}
	$headers->content_type($answer->{type}
		// 'application/json;charset=utf-8')
	    if !$headers->content_type;
	return $c->render(data => $answer->{body}
		// encode_json($answer->{json}));
}

sub _error ($c, $code, $about) {
	my ($status, $json) = refusal_json($code, $about);
	$c->render(json => $json, status => $status);
}

# --- failures a test asks for

# {match, times, status, body, headers, delay_ms, hold, drop, before, process}:
# a scripted status replaces the work, unless process is set; drop closes the
# connection after it, before ahead of it; delay_ms holds the answer back, as
# hold does until the faults are cleared.
sub _fault_add ($self, $ask) {
	die "match is required\n" if !length($ask->{match} // '');
	eval { qr/$ask->{match}/ } or die "match: $@";
	push $self->faults->@*, {times => 1, %$ask};
	return {faults => scalar $self->faults->@*};
}

sub _fault_take ($self, $c, $request) {
	my $short = "$request->{method} $request->{path}";
	my $long  = "$request->{method} " . $c->req->url->path_query;
	for my $fault ($self->faults->@*) {
		next if !$fault->{times};
		next if $short !~ $fault->{match} && $long !~ $fault->{match};
		$fault->{times}--;
		return $fault;
	}
	return undef;
}

sub _scripted ($fault) {
	my $body = $fault->{body};
	return {
		status => $fault->{status}, headers => $fault->{headers},
		ref $body ? (json => $body) : defined $body ? (body => $body)
		    : (json => {code => 20000 + $fault->{status},
			message => 'Scripted failure',
			more_info => 'https://www.twilio.com/docs/errors/'
			    . (20000 + $fault->{status}),
			status => $fault->{status} + 0}),
	};
}

# --- /_carrier

sub _control ($self, $c, $handler) {
	my $ask = length $c->req->body ? $c->req->json : {};
	return $c->render(json => {error => 'the body is not a JSON object'},
		status => 400) if ref $ask ne 'HASH';
	my $fail = sub ($error) {
		$error = $error->{about} // $error->{code} if ref $error eq 'HASH';
		$c->render(json => {error => "$error" =~ s/\s+$//r},
			status => 400);
	};
	my $answer = eval { $self->$handler($ask) };
	return $fail->($@) if !$answer;
	return $c->render(json => $answer) if ref $answer eq 'HASH';
	$c->render_later;
	my $tx = $c->tx;        # kept alive until the promise is settled
	$answer->then(sub ($json) { $c->render(json => $json) }, $fail)
	    ->finally(sub { undef $tx });
}

sub _account_known ($self, $ask) {
	die "no such account: $ask->{account_sid}\n" if $ask->{account_sid}
	    && !$self->carrier->accounts->{$ask->{account_sid}};
}

sub _call ($self, $ask) {
	$self->_account_known($ask);
	die "play: no such file: $ask->{play}\n"
	    if defined $ask->{play} && !-r $ask->{play};
	return Carrier::Call->inbound($self->carrier, $ask);
}

sub _text ($self, $ask) {
	$self->_account_known($ask);
	return text_in($self->carrier, $ask);
}

sub _number ($self, $ask) {
	die "number is required\n" if !length($ask->{number} // '');
	my $number = $self->carrier->own($ask->{number}, $ask->{sid});
	if ($ask->{elsewhere}) {
		$number->{elsewhere} = 1;
		$self->carrier->store->save(numbers => $number);
	}
	return {sid => $number->{sid}, number => $number->{number}};
}

# A recording with any bytes at all, or an answer other than 200 for them.
sub _media ($self, $ask) {
	my $store = $self->carrier->store;
	my $sid   = $ask->{recording_sid} // $store->sid('RE');
	my $stored = $store->get(recordings => $sid) // {
		sid => $sid, account_sid => $ask->{account_sid}
		    // $self->carrier->main_account,
		call_sid => $ask->{call_sid} // $store->sid('CA'),
		status => 'completed', source => 'RecordVerb',
		track => 'inbound', channels => 1, duration => 10,
		start_time => time, error_code => 0,
	};
	$stored->{media_url} //= $self->carrier->recording_url($stored);
	$stored->{$_} = $ask->{$_}
	    for grep { defined $ask->{$_} } qw(call_sid duration channels);
	$stored->{status} = $ask->{recording_status}
	    if defined $ask->{recording_status};
	$store->media_write($sid, $ask);
	$stored->{file} = "media/$sid";
	$stored->{content_type} = $ask->{content_type};
	$stored->{media_status} = $ask->{status};
	$store->save(recordings => $stored);
	return {recording_sid => $sid, call_sid => $stored->{call_sid},
		recording_url => $stored->{media_url},
		duration => $stored->{duration}};
}

sub _violations ($self, $ask) {
	return {violations => [map {
		my $entry = $_;
		map { {n => $entry->{n}, method => $entry->{method},
			path => $entry->{path}, %$_} }
		    ($entry->{violations} // [])->@*;
	} $self->carrier->store->journal->@*]};
}

# Answers when every call and text has run its course.
sub _idle ($self, $ask) {
	return {idle => \1} if !$self->carrier->busy;
	return Mojo::Promise->timer(0.02)->then(sub { $self->_idle($ask) });
}

1;
