# SPDX-License-Identifier: ISC
# Ringback::Malformed: requests that are wrong, of every shape, drawn by
# chance. None of them may be answered 2xx: what is well-formed in it is
# unsigned, names nothing that there is, or lacks what is required.
#
#	my $malformed = Ringback::Malformed->new($t, $key);	# key: may send
#	my ($shape, $request) = $malformed->next;	# for Ringback::Volley
package Ringback::Malformed;
use v5.36;

use List::Util qw(shuffle);

use Ringback::Test;
use Ringback::Volley qw(signed_post);

my @paths = (map { "/api/twilio/$_" } qw(voice sms status recording
	recording-status outbound sms-status make-call send-sms));
my @hooks = grep { !/make-call|send-sms/ } @paths;

my %shapes = (line => \&_line, target => \&_target, header => \&_header,
	'many headers' => \&_many_headers, host => \&_host,
	'content length' => \&_length, chunks => \&_chunks,
	noise => \&_noise, type => \&_type, 'unsigned form' => \&_form,
	'signed form' => \&_signed, JSON => \&_json, query => \&_query,
	path => \&_path, authorization => \&_authorization, cut => \&_cut);
my @names = sort keys %shapes;

sub new ($class, $t, $key) {
	return bless { t => $t, key => $key, host => "127.0.0.1:$t->{port}",
		n => 0 }, $class;
}

sub names ($class) { return @names }

sub next ($self) {
	my $name = $names[ $self->{n}++ % @names ];
	return ($name, $shapes{$name}->($self));
}

# --- chance ---------------------------------------------------------------

sub pick { return $_[ rand @_ ] }
sub bytes ($n) { return join '', map { chr rand 256 } 1 .. $n }
sub some ($most) { return 1 + int rand $most }

# What somebody who looks for holes puts everywhere.
sub odd {
	return pick('', '0', '-1', "\0", '%00', '%', '%zz', '%ff%fe', '..',
		'../../etc/passwd', "'", '"', "' or 1=1--", '<script>', '${x}',
		'{{7*7}}', '$(id)', '`id`', '%0d%0aX: y', '+', '&', '=',
		"\xc0\x80", "\xed\xa0\x80", "\xff", 'x' x some(3000), '%25' x 9,
		'1e400', 'null', 'NaN', '%n%n%s', '[]', "\x7f", bytes(some(40)));
}

# In a line of a header: no line end of its own, and printable or not.
sub odd_line { return odd() =~ tr/\r\n//dr }

# One of a few changes to a text, here or there.
sub bent ($text) {
	my $at = int rand(length($text) + 1);
	my $n = some(8);
	return pick(
		substr($text, 0, $at) . odd() . substr($text, $at),
		substr($text, 0, $at) . bytes($n) . substr($text, $at),
		substr($text, 0, $at) . (length $text > $at + $n ?
			substr $text, $at + $n : ''),
		substr($text, 0, $at) . substr($text, int rand length $text),
		substr($text, 0, $at), $text x some(4));
}

# --- requests -------------------------------------------------------------

sub _request ($self, $head, $body = '', $length = 1) {
	$head .= "Content-Length: @{[ length $body ]}\r\n" if $length;
	return "$head\r\n$body";
}

sub _post ($self, $path, $more = '') {
	return "POST $path HTTP/1.1\r\nHost: $self->{host}\r\n"
		. ($more =~ /^Content-Type/im ? '' : 'Content-Type: '
		. "application/x-www-form-urlencoded\r\n") . $more;
}

# Whoever reads on after such a request may find another one in the rest.
sub _alone ($bytes) { return [ $bytes ] }

sub _line ($self) {
	my $method = pick('', 'POST', 'post', 'P' x 9000, "PO\0ST", 'P=ST', 'GET',
		'POST ', "\tPOST", 'CONNECT', 'TRACE', 'PRI', '<POST>',
		bytes(3) =~ tr/\r\n/xx/r);
	my $version = pick('', ' ', ' HTTP/2.0', ' HTTP/0.9', ' HTTP/1.2',
		' HTTP/9999.1', ' HTTP/1.1.1', ' HTTP/', ' HTCPCP/1.0', ' http/1.1',
		' HTTP/1.1 x', ' HTTP/-1.1', ' HTTP/1.', ' HTTP 1.1', ' HTTP/3');
	return _alone("$method " . pick(@paths) . $version . pick("\r\n", "\n",
		"\r\n\r\n", "\r\r\n") . "Host: $self->{host}\r\n\r\n");
}

sub _target ($self) {
	my $target = pick('', '*', '//', '/..', '/%00', '/%2e%2e/x', '/x y',
		"/\0", '/' . 'x' x 9000, 'x', '?', '#', 'http://', 'https:///',
		'http://[', 'ftp://x/', "http://$self->{host}:99999/",
		"http://a\@b:c\@$self->{host}/", '/' . odd_line(),
		bent(pick(@paths)) =~ tr/\r\n/xx/r);
	return _alone(pick('GET', 'POST') . " $target HTTP/1.1\r\nHost: "
		. "$self->{host}\r\nContent-Length: 0\r\n\r\n");
}

sub _header ($self) {
	my $line = pick('no colon', ': no name', "a b: c", "a\0b: c", "a: \0",
		"a\x01: b", ' folded: x', "a: b\r\n c", "a: b\n\tc", "a : b",
		'a' x 9000 . ': b', 'a: ' . 'b' x 9000, "\x80: b", "a:\x80",
		'X-Twilio-Signature: ' . odd_line(), 'Expect: 100-continu',
		'Connection: ' . odd_line(), 'Upgrade: h2c', 'Range: bytes=0-,0-',
		'Cookie: ' . odd_line(), 'If-Match: *', odd_line() . ': '
		. odd_line());
	return _alone($self->_request($self->_post(pick(@paths), "$line\r\n")));
}

sub _many_headers ($self) {
	my $many = pick(
		sub { map { "X-$_: x\r\n" } 1 .. 90 + some(1500) },
		sub { ("X: x\r\n") x (90 + some(1500)) },
		sub { map { "X-$_: @{[ 'y' x 2000 ]}\r\n" } 1 .. some(30) });
	return _alone($self->_request($self->_post(pick(@paths), join '',
		$many->())));
}

sub _host ($self) {
	my $host = pick('', ' ', 'a b', 'x' x 300, '[::1', '127.0.0.1:',
		'127.0.0.1:x', '127.0.0.1:99999', '..', '-', 'evil.example',
		'127.0.0.1/x', '127.0.0.1@evil.example', "127.0.0.1\0", "\x80",
		'127.0.0.1, 127.0.0.1', "$self->{host}\r\nHost: $self->{host}",
		"$self->{host}\r\nHost: evil.example", odd_line());
	return _alone('POST ' . pick(@paths) . ' HTTP/1.1' . pick("\r\n",
		"\r\nHost: $host\r\n") . "Content-Length: 0\r\n\r\n");
}

sub _length ($self) {
	my $body = 'a=b&c=d';
	my $length = pick(map({ "Content-Length: $_" } '-1', '+7', '0x7', '7.0',
		'1e1', '', ' ', 'x', '7 7', '7, 7', '99999999999999999999',
		2**31, 2**32, 2**63, 2**40, 65537, "7\0", '07 '),
		"Content-Length: 7\r\nContent-Length: 7",
		"Content-Length: 7\r\nContent-Length: 8",
		"Content-Length: 7\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		map { "Transfer-Encoding: $_" } 'gzip', 'identity', '',
		'chunked, chunked', 'gzip, chunked', 'xchunked', 'chunked;x',
		"\x0bchunked", 'chunked,');
	return _alone($self->_post(pick(@paths), "$length\r\n") . "\r\n$body");
}

sub _chunks ($self) {
	my $body = pick('nonsense', '-1', '', ' 3', '3 ', '0x3', 'fffffffff',
		'ffffffffffffffff', '10000000000000000', '3;' . 'x' x some(5000),
		"3\0", '3=x', 'G', '+3') . "\r\na=b\r\n" . pick("0\r\n\r\n",
		"0\r\nX: y\r\n\r\n", "zz\r\n\r\n", "0\n\n", "0\r\n" . 'T: x' x 99
		. "\r\n\r\n");
	$body = pick("3\r\na=bX\r\n0\r\n\r\n", "3\r\na=b0\r\n\r\n",
		"3\na=b\n0\n\n", "10001\r\n" . 'x' x 65537 . "\r\n0\r\n\r\n")
		if rand() < 0.3;
	# The end of input, for whoever waits for the rest of a chunk.
	return \($self->_post(pick(@paths),
		"Transfer-Encoding: chunked\r\n") . "\r\n$body");
}

sub _noise ($self) {
	return _alone(pick(bytes(some(400)) . "\r\n\r\n", "\x16\x03\x01\x02\x00"
		. bytes(200) . "\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"SSH-2.0-x\r\n\r\n", "EHLO x\r\n\r\n", "\r\n" x some(50)
		. "x\r\n\r\n", "\0" x 600 . "\r\n\r\n", "{\"a\":1}\r\n\r\n",
		"\x80\x01\x00\x01\r\n\r\n", "*1\r\n\$4\r\nPING\r\n\r\n"));
}

sub _type ($self) {
	my $type = pick('', 'application/json', 'text/plain', 'application/xml',
		'multipart/form-data', 'multipart/form-data; boundary=b',
		'application/x-www-form-urlencoded x', 'application/',
		'APPLICATION/X-WWW-FORM-URLENCODED2', ';', odd_line());
	return $self->_request($self->_post(pick(@hooks),
		"Content-Type: $type\r\n"), _form_body());
}

sub _form_body {
	return bytes(some(2000)) if rand() < 0.2;
	return '&' x some(60_000) if rand() < 0.02;
	return join '&', map { "p$_=" } 1 .. some(2000) if rand() < 0.1;
	return join pick('&', '&', ';', '&&'), map { (pick(qw(CallSid Body From
		To AccountSid MessageSid), odd()) . pick('=', '=', '==', '')
		. odd()) } 1 .. some(20);
}

sub _form ($self) {
	return $self->_request($self->_post(pick(@hooks), pick('',
		'X-Twilio-Signature: ' . pick('x', 'A' x 27 . '=', odd_line())
		. "\r\n")), _form_body());
}

# Twilio says so, and it is nonsense all the same.
sub _signed ($self) {
	my %form = map { odd() => odd() } 1 .. some(12);
	%form = map { ("p$_" => $_) } 1 .. 256 + some(300) if rand() < 0.1;
	$form{'n' x (64 + some(300))} = 1 if rand() < 0.1;
	$form{v} = 'x' x (16_384 + some(20_000)) if rand() < 0.1;
	$form{$_} = pick('', 'CA', 'x', 'CA' . 'g' x 32, 'CA' . 'a' x 31,
		'CA' . 'a' x 33, ' CA' . 'a' x 32, "CA\0" . 'a' x 31,
		'RE/../' . 'a' x 28, 'XX' . 'a' x 32, odd()) for qw(CallSid
		MessageSid SmsSid RecordingSid RecordingUrl);
	$form{AccountSid} = $Ringback::Test::ACCOUNT;
	return signed_post($self->{t}, pick(@hooks), \%form);
}

# Nobody to send it to, and what is sent bent besides.
sub _json ($self) {
	my $deep = 8 + some(3000);
	my $json = pick('{"body":"hello","metadata":{"a":[1,2,{"b":null}]}}',
		'{"message":"h\u00e9llo","record":true,"timeout":30}',
		'[' x $deep . ']' x $deep, '{"a":' x $deep . '1' . '}' x $deep,
		'{' . join(',', map { "\"n$_\":1" } 1 .. some(3000)) . '}',
		'{"timeout":' . '9' x some(2000) . '}', "\xef\xbb\xbf{}", '""',
		'[' . join(',', (1) x some(20_000)) . ']', '{"to":null}');
	$json = bent($json) if rand() < 0.7;
	return $self->_request($self->_post(pick('/api/twilio/make-call',
		'/api/twilio/send-sms'), "Authorization: Bearer $self->{key}\r\n"
		. "Content-Type: application/json\r\n" . pick('', '',
		'Idempotency-Key: ' . odd_line() . "\r\n")),
		substr $json, 0, 65_536);
}

sub _escaped ($text) {
	return $text =~ s/([^a-z0-9%+=&;-])/sprintf '%%%02x', ord $1/gier;
}

sub _get ($self, $target) {
	return $self->_request("GET $target HTTP/1.1\r\nHost: $self->{host}\r\n"
		. "Authorization: Bearer $self->{key}\r\n", '', 0);
}

sub _query ($self) {
	my $query = join '&', 'limit=x', map { pick(qw(phoneNumber limit cursor
		since until status direction userId q x)) . '='
		. substr _escaped(odd()), 0, 1500 } 1 .. some(4);
	return $self->_get(pick(qw(/api/twilio/calls /api/twilio/sms))
		. "?$query");
}

sub _path ($self) {
	return $self->_get('/api/twilio/' . pick(qw(calls sms recordings
		transcriptions)) . '/' . pick('CA', 'CA' . 'g' x 32, '-' x 36,
		'CA' . 'a' x 33, substr(_escaped(odd()), 0, 1500) . 'x'));
}

sub _authorization ($self) {
	return $self->_request('GET ' . pick(qw(/api/twilio/calls
		/api/twilio/sms)) . " HTTP/1.1\r\nHost: $self->{host}\r\n"
		. 'Authorization: ' . pick('', 'Bearer', 'Bearer ',
		'Basic ' . 'QQ' x some(2000), 'Bearer tw_' . 'a' x 8 . '_'
		. 'b' x 43, 'Bearer ' . odd_line(), bent("Bearer $self->{key}x")
		=~ tr/\r\n/xx/r . '!') . "\r\n", '', 0);	# in no key
}

# A genuine request that ends too early.
sub _cut ($self) {
	my $t = $self->{t};
	my $whole = signed_post($t, '/api/twilio/voice', { $t->call });
	return \(my $part = substr $whole, 0, some(length($whole) - 1));
}

1;
