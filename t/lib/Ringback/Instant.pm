# SPDX-License-Identifier: ISC
# Ringback::Instant: Twilio's media, the transcription server and the language
# model as one nginx that answers at once, for where they must not be what
# takes the time. It is always a good day; for others, see Ringback::Outside.
#
#	my $instant = Ringback::Instant->new;
#	my $t = Ringback::Test->new(env => { $instant->env });
#	my @sids = $instant->due($t, 10_000);
#	…
#	my $asked = $instant->asked;
#	is $asked->{transcribe}{$sids[0]}, 1, 'paid for once';
#
# Its ledger is exact: media hold the SID of their recording, a transcription
# says the SID that was in what it got, and so an analysis can be told by the
# transcript that is asked about. latency_ms: how long the paid ones think.
package Ringback::Instant;
use v5.36;
use parent qw(Ringback::Child);

use File::Temp qw(tempdir);
use IO::Socket::INET;
use Mojo::JSON qw(encode_json);
use POSIX ();
use Time::HiRes qw(sleep);

use Ringback::Outside qw(speech analysis completion);
use Ringback::Test;

use constant MARK => 'RE' . '0' x 32;	# where a SID goes

sub new ($class, %o) {
	# Bound and never listening: that keeps the port.
	my $port = IO::Socket::INET->new(Proto => 'tcp', ReuseAddr => 1,
		LocalAddr => '127.0.0.1', LocalPort => 0) or die "port: $!";
	my $self = bless { latency_ms => 0, %o, of => $$, reserved => $port,
		port => $port->sockport, dir => tempdir(CLEANUP => 1) }, $class;
	$self->_write('speech.mp3', _marked(speech(20)));
	$self->_write('nginx.conf', $self->_conf);
	chown +(getpwnam 'nobody')[2, 3], $self->{dir} if !$>;
	$self->{pid} = fork // die "fork: $!";
	if (!$self->{pid}) {
		open STDIN,  '<', '/dev/null';
		open STDERR, '>', "$self->{dir}/said";
		exec qw(setpriv --pdeathsig KILL), $> ? () : qw(--reuid=nobody
			--regid=nogroup --clear-groups), '/usr/sbin/nginx',
			'-p', $self->{dir}, '-c', 'nginx.conf' or
			POSIX::_exit(127);
	}
	for (1 .. 200) {
		return $self if $self->_is_there;
		sleep 0.02;
	}
	die 'nginx: ' . Ringback::Test::slurp("$self->{dir}/said");
}

sub _is_there ($self) {
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $self->{port}, Timeout => 5) or return 0;
	print {$s} "GET /_now HTTP/1.0\r\n\r\n";
	local $/;
	return (<$s> // '') =~ / 204 /;
}

# In the last frame's sound, which nobody is going to decode.
sub _marked ($mp3) {
	substr($mp3, -100, length MARK) = MARK;
	return $mp3;
}

sub _conf ($self) {
	my ($dir, $s) = ($self->{dir}, $self->{latency_ms} / 1000);
	my $sleep = $s ? "echo_sleep $s;" : '';
	my $said = _literal({ task => 'transcribe', language => 'english',
		duration => 1.44, text => ' This is ' . MARK . '.',
		segments => [ { id => 0, start => 0, end => 1.44, text =>
		' This is ' . MARK . '.', avg_logprob => -0.2,
		no_speech_prob => 0.01 } ] });
	my $thought = _literal(completion(analysis(summary => 'A call about '
		. MARK . '.'))->{json});
	my $list = _literal({ calls => [], messages => [], recordings => [],
		next_page_uri => undef });
	return <<"CONF";
daemon off;
master_process off;
pid $dir/nginx.pid;
error_log $dir/error.log error;
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path $dir/body;
	proxy_temp_path $dir/proxy;
	fastcgi_temp_path $dir/fastcgi;
	scgi_temp_path $dir/scgi;
	uwsgi_temp_path $dir/uwsgi;
	client_body_buffer_size 64k;
	client_body_in_single_buffer on;
	map \$request_body \$of {
		"~(?<sid>RE[0-9a-f]{32})" \$sid;
	}
	log_format paid '\$msec \$request_method \$uri \$status \$of';
	log_format free '\$msec \$request_method \$request_uri \$status';
	server {
		listen 127.0.0.1:$self->{port};
		default_type application/json;
		location / { return 404; }
		location /_now { return 204; }
		location ~ /Accounts/\\w+/Recordings/(?<re>\\w+)\\.mp3\$ {
			access_log $dir/ledger free;
			root $dir;
			default_type audio/mpeg;
			sub_filter_types audio/mpeg;
			sub_filter @{[ MARK ]} \$re;
			try_files /speech.mp3 =404;
		}
		location ~ /Accounts/\\w+/\\w+\\.json\$ { return 200 $list; }
		location = /v1/audio/transcriptions {
			access_log $dir/ledger paid;
			echo_read_request_body;
			$sleep
			echo $said;
		}
		location = /v1/chat/completions {
			access_log $dir/ledger paid;
			echo_read_request_body;
			$sleep
			echo $thought;
		}
	}
}
CONF
}

# JSON as a word of nginx's, with the SID for the mark.
sub _literal ($value) {
	return q(') . encode_json($value) =~ s/\\/\\\\/gr
		=~ s/@{[ MARK ]}/\$of/gr . q(');
}

sub _write ($self, $name, $bytes) {
	my $file = "$self->{dir}/$name";
	open my $fh, '>:raw', $file or die "$file: $!";
	print {$fh} $bytes;
	close $fh or die "$file: $!";
	return;
}

sub url ($self) { return "http://127.0.0.1:$self->{port}" }

# For Ringback::Test->new(env => …).
sub env ($self) {
	return (TWILIO_API_BASE_URL => $self->url,
		OPENAI_BASE_URL => $self->url . '/v1',
		LLM_BASE_URL => $self->url . '/v1');
}

# That many recordings of completed calls, due now, as the webhooks would
# leave them; their SIDs.
sub due ($self, $t, $count) {
	return @{ $t->dbh->selectcol_arrayref(q{
		with sids as (select md5(random()::text) as hex
			from generate_series(1, ?)),
		calls as (insert into twilio_calls (call_sid, account_sid,
			from_number, to_number, direction, status)
			select 'CA' || hex, ?, '+15005550006', '+15005550009',
			'inbound', 'completed' from sids)
		insert into twilio_recordings (recording_sid, account_sid,
			call_sid, duration, channels, source, twilio_status)
		select 'RE' || hex, ?, 'CA' || hex, 1, 1, 'RecordVerb',
			'completed' from sids returning recording_sid}, undef,
		$count, ($Ringback::Test::ACCOUNT) x 2) };
}

# --- the ledger -----------------------------------------------------------

my %step = (mp3 => 'media', transcriptions => 'transcribe',
	completions => 'analyse');

# Every request that came in whole, oldest first: at (seconds), step (media,
# transcribe, analyse), of (which recording), and the status of the answer,
# 499 if nobody was there to take it.
sub ledger ($self) {
	# What had arrived is written once a request that came later has been
	# answered: there is one process, and it takes them in turn. Twice, as
	# it accepts in one turn and reads in the next.
	$self->_is_there && $self->_is_there or die 'nginx is gone';
	my @requests;
	for (split /\n/, Ringback::Test::slurp("$self->{dir}/ledger")) {
		my ($at, undef, $path, $status, $of) = split / /;
		next if $status == 400;		# its sender died of it
		my ($what) = $path =~ /(\w+)\z/;
		($of) = $path =~ /(RE\w+)/ if $what eq 'mp3';
		push @requests, { at => $at, step => $step{$what}, of => $of,
			status => $status };
	}
	return @requests;
}

# How often each step was asked of each recording: {step}{sid}.
sub asked ($self) {
	my %asked = map { $_ => {} } values %step;
	$asked{ $_->{step} }{ $_->{of} }++ for $self->ledger;
	return \%asked;
}

sub stop ($self) { return $self->put_away }

sub DESTROY ($self) { return $self->stop }

1;
