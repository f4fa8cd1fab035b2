// SPDX-License-Identifier: ISC
// The same webhook as a user of Twilio's own library would write it: Express,
// twilio for the signature and the TwiML, pg with a pool of ten. It does what
// it is asked and no more: no journal, no order of statuses, no spool. Its
// statement is prepared once, as ours are.
//
//	TOKEN=… BASE=https://… PGHOST=… node express.js SOCKET
'use strict';

const fs = require('fs');
const express = require('express');
const { Pool } = require('pg');
const twilio = require('twilio');

const { TOKEN, BASE } = process.env;
const [socket] = process.argv.slice(2);
// It keeps them while others have their turn, as a worker keeps its own.
const pool = new Pool({ max: 10, idleTimeoutMillis: 0 });
const app = express();

app.use(express.urlencoded({ extended: false }));

app.post('/api/twilio/voice', async (req, res) => {
	const form = req.body;
	if (!twilio.validateRequest(TOKEN, req.get('X-Twilio-Signature') ?? '',
		BASE + req.originalUrl, form)) {
		res.sendStatus(403);
		return;
	}
	await pool.query({
		name: 'call',
		text: `INSERT INTO twilio_calls (call_sid, account_sid,
			from_number, to_number, direction, status)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (call_sid) DO UPDATE SET
			status = excluded.status`,
		values: [form.CallSid, form.AccountSid, form.From, form.To,
			form.Direction, form.CallStatus],
	});
	const answer = new twilio.twiml.VoiceResponse();
	answer.say('Please leave a message after the beep.');
	answer.record({
		action: `${BASE}/api/twilio/recording`,
		maxLength: 120,
		recordingStatusCallback: `${BASE}/api/twilio/recording-status`,
		recordingStatusCallbackEvent: 'completed absent',
	});
	answer.hangup();
	res.type('text/xml').send(answer.toString());
});

fs.rmSync(socket, { force: true });
app.listen(socket, () => fs.chmodSync(socket, 0o666));
