# SPDX-License-Identifier: ISC
# Phone numbers that mean something: Twilio's published magic numbers, the
# endings by which a test chooses what happens to a call or a text, and the
# words by which people opt out.
package Carrier::Numbers;
use v5.36;
use utf8;
use Exporter 'import';

our @EXPORT_OK = qw(ALWAYS_OURS bad_call bad_message call_fate geography
    keyword message_fate segments valid);

# Usable as From by every account, as with Twilio's test credentials.
use constant ALWAYS_OURS => '+15005550006';

# https://www.twilio.com/docs/iam/test-credentials
my %MAGIC = (
	call => {
		from => {'+15005550001' => 21212},
		to   => {
			'+15005550001' => 21217, '+15005550002' => 21214,
			'+15005550003' => 21215, '+15005550004' => 21216,
		},
	},
	message => {
		from => {
			'+15005550001' => 21212, '+15005550007' => 21606,
			'+15005550008' => 21611,
		},
		to   => {
			'+15005550001' => 21211, '+15005550002' => 21612,
			'+15005550003' => 21408, '+15005550004' => 21610,
			'+15005550009' => 21614,
		},
	},
);

# The end of any other number a call is placed to.
my %CALL_ENDING = (
	'0001' => 'busy', '0002' => 'no-answer', '0003' => 'failed',
	'0004' => 'machine',
);

# A text to a number that ends so comes back undelivered with that code.
my %UNDELIVERED = (
	30003 => 'Unreachable destination handset',
	30004 => 'Message blocked',
	30005 => 'Unknown destination handset',
	30006 => 'Landline or unreachable carrier',
	30007 => 'Message filtered',
	30008 => 'Unknown error',
	30034 => 'Message from an Unregistered Number',
);

my %KEYWORD = (
	(map { $_ => 'STOP' } qw(STOP UNSUBSCRIBE END QUIT STOPALL REVOKE
	    OPTOUT CANCEL)),
	(map { $_ => 'START' } qw(START YES UNSTOP)),
	(map { $_ => 'HELP' } qw(HELP INFO)),
);

# A few area codes; elsewhere Twilio often knows the country and no more.
my %AREA = (
	212 => ['NEW YORK', 'NY', '10001'], 303 => ['DENVER', 'CO', '80202'],
	312 => ['CHICAGO', 'IL', '60601'],  415 => ['SAN FRANCISCO', 'CA', '94103'],
	617 => ['BOSTON', 'MA', '02108'],   845 => ['POUGHKEEPSIE', 'NY', '12601'],
);

sub valid ($number) {
	return $number =~ /^(?:\+[1-9]\d{6,14}|sip:.+\@.+|client:.+)$/;
}

sub _magic ($what, $from, $to) {
	my $code = $MAGIC{$what}{from}{$from};
	return ($code, $from) if $code;
	$code = $MAGIC{$what}{to}{$to};
	return $code ? ($code, $to) : ();
}

sub bad_call ($from, $to)    { _magic('call', $from, $to) }
sub bad_message ($from, $to) { _magic('message', $from, $to) }

sub call_fate ($to) { $CALL_ENDING{substr $to, -4} // 'answered' }

sub message_fate ($to) {
	my $code = substr $to, -5;
	return $UNDELIVERED{$code} ? ($code, $UNDELIVERED{$code}) : ();
}

# STOP, START, HELP or nothing.  Only the whole body counts.
sub keyword ($body) { $KEYWORD{uc($body =~ s/^\s+|\s+$//gr)} }

# (FromCity => …, FromState => …): Twilio sends what it does not know as "".
sub geography ($prefix, $number) {
	my ($code) = $number =~ /^\+1(\d{3})/;
	my ($city, $state, $zip) = ($AREA{$code // ''} // ['', '', ''])->@*;
	return (
		"${prefix}City"    => $city,
		"${prefix}State"   => $state,
		"${prefix}Zip"     => $zip,
		"${prefix}Country" => defined $code ? 'US' : '',
	);
}

# How many segments a body takes: GSM 03.38 (extensions count twice) or UCS-2.
sub segments ($body) {
	state $basic = qr/^[\n\r -_a-z¡£¤¥§¿ÄÅÆÇÉÑÖØÜßàäåæèéìñòöøùüΓΔΘΛΞΠΣΦΨΩ{}~|€^\\\[\]]*$/;
	my ($length, $single, $part) = (0, 70, 67);
	if ($body =~ $basic) {
		$length = length($body) + (() = $body =~ /[{}~|€^\\\[\]]/g);
		($single, $part) = (160, 153);
	} else {
		$length += ord($_) > 0xffff ? 2 : 1 for split //, $body;
	}
	return 1 if $length <= $single;
	return int(($length + $part - 1) / $part);
}

1;
