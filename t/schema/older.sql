-- SPDX-License-Identifier: ISC
--
-- The tables as an earlier (Node) installation made and filled them.
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

CREATE TABLE transcriptions (
	id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
	user_id UUID,
	filename VARCHAR(255),
	file_url TEXT NOT NULL,
	transcription TEXT,
	duration_seconds INTEGER,
	analysis JSONB,
	status VARCHAR(50) DEFAULT 'pending',
	metadata JSONB,
	error TEXT,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_transcriptions_user_id ON transcriptions(user_id);
CREATE INDEX idx_transcriptions_created_at ON transcriptions(created_at DESC);
CREATE INDEX idx_transcriptions_status ON transcriptions(status);

CREATE TABLE twilio_calls (
	id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
	call_sid VARCHAR(255) UNIQUE NOT NULL,
	phone_number_sid VARCHAR(255),
	from_number VARCHAR(50) NOT NULL,
	to_number VARCHAR(50) NOT NULL,
	direction VARCHAR(20) NOT NULL,
	status VARCHAR(50) NOT NULL,
	duration INTEGER DEFAULT 0,
	recording_url TEXT,
	recording_sid VARCHAR(255),
	transcription_id UUID,
	user_id UUID,
	metadata JSONB DEFAULT '{}',
	created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_twilio_calls_call_sid ON twilio_calls(call_sid);
CREATE INDEX idx_twilio_calls_from_number ON twilio_calls(from_number);
CREATE INDEX idx_twilio_calls_to_number ON twilio_calls(to_number);
CREATE INDEX idx_twilio_calls_created_at ON twilio_calls(created_at DESC);
CREATE INDEX idx_twilio_calls_user_id ON twilio_calls(user_id);

CREATE TABLE twilio_sms (
	id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
	message_sid VARCHAR(255) UNIQUE NOT NULL,
	from_number VARCHAR(50) NOT NULL,
	to_number VARCHAR(50) NOT NULL,
	body TEXT NOT NULL,
	direction VARCHAR(20) NOT NULL,
	status VARCHAR(50) NOT NULL,
	num_segments INTEGER DEFAULT 1,
	user_id UUID,
	metadata JSONB DEFAULT '{}',
	created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_twilio_sms_message_sid ON twilio_sms(message_sid);
CREATE INDEX idx_twilio_sms_from_number ON twilio_sms(from_number);
CREATE INDEX idx_twilio_sms_to_number ON twilio_sms(to_number);
CREATE INDEX idx_twilio_sms_created_at ON twilio_sms(created_at DESC);
CREATE INDEX idx_twilio_sms_user_id ON twilio_sms(user_id);

CREATE TABLE twilio_recordings (
	id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
	recording_sid VARCHAR(255) UNIQUE NOT NULL,
	call_sid VARCHAR(255) NOT NULL
		REFERENCES twilio_calls(call_sid) ON DELETE CASCADE,
	recording_url TEXT NOT NULL,
	duration INTEGER NOT NULL,
	transcription_id UUID,
	status VARCHAR(50) DEFAULT 'pending',
	created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_twilio_recordings_recording_sid
	ON twilio_recordings(recording_sid);
CREATE INDEX idx_twilio_recordings_call_sid ON twilio_recordings(call_sid);

CREATE FUNCTION update_updated_at_column() RETURNS TRIGGER AS $$
BEGIN
	NEW.updated_at = CURRENT_TIMESTAMP;
	RETURN NEW;
END $$ language 'plpgsql';
CREATE FUNCTION update_transcriptions_updated_at() RETURNS TRIGGER AS $$
BEGIN
	NEW.updated_at = CURRENT_TIMESTAMP;
	RETURN NEW;
END $$ language 'plpgsql';
CREATE TRIGGER update_twilio_calls_updated_at BEFORE UPDATE ON twilio_calls
	FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_twilio_sms_updated_at BEFORE UPDATE ON twilio_sms
	FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_twilio_recordings_updated_at
	BEFORE UPDATE ON twilio_recordings
	FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_transcriptions_updated_at BEFORE UPDATE ON transcriptions
	FOR EACH ROW EXECUTE FUNCTION update_transcriptions_updated_at();

-- What it left behind. Ann is a0…1, Bob b0…2.
INSERT INTO transcriptions VALUES
	-- of a recording; user_id was never passed on; analysis is markdown
	('70000000-0000-4000-8000-000000000001', NULL, 'RE1.wav',
	 'https://api.twilio.com/RE1', 'Please call me back.', 12,
	 '"## Summary\nWants a *call* back."', 'completed', NULL, NULL,
	 '2025-03-01 10:01+00', '2025-03-01 10:02+00'),
	-- an upload, none of Twilio's
	('70000000-0000-4000-8000-000000000002',
	 'b0000000-0000-4000-8000-000000000002', 'talk.mp3',
	 'https://files.example.com/talk.mp3', 'Good morning.', 600,
	 '{"summary": "A talk."}', 'completed', '{"k": 1}', NULL,
	 '2025-03-02 10:00+00', '2025-03-02 10:00+00'),
	-- of a recording whose process died before it said so; given to Ann
	-- although the call was Bob's
	('70000000-0000-4000-8000-000000000003',
	 'a0000000-0000-4000-8000-000000000001', 'RE5.wav',
	 'https://api.twilio.com/RE5', 'It is about the invoice.', 9,
	 NULL, 'processing', NULL, NULL,
	 '2025-03-03 10:00+00', '2025-03-03 10:00+00');

INSERT INTO twilio_calls VALUES
	('c0000000-0000-4000-8000-000000000001', 'CA1', '+18454090692',
	 '+14155550101', '+18454090692', 'inbound', 'completed', 12,
	 'https://api.twilio.com/RE1', 'RE1',
	 '70000000-0000-4000-8000-000000000001',
	 'a0000000-0000-4000-8000-000000000001', '{"campaign": "spring"}',
	 '2025-03-01 10:00+00', '2025-03-01 10:02+00'),
	-- no status callback ever came: ringing for ever
	('c0000000-0000-4000-8000-000000000002', 'CA2', '+18454090692',
	 '+14155550102', '+18454090692', 'inbound', 'ringing', 0, NULL, NULL,
	 NULL, NULL, '{}', '2025-03-02 10:00+00', '2025-03-02 10:00+00'),
	('c0000000-0000-4000-8000-000000000003', 'CA3', NULL,
	 '+18454090692', '+14155550103', 'outbound-api', 'queued', 0,
	 NULL, NULL, NULL, 'b0000000-0000-4000-8000-000000000002', '{}',
	 '2025-03-03 10:00+00', '2025-03-03 10:00+00');

INSERT INTO twilio_sms VALUES
	('50000000-0000-4000-8000-000000000001', 'SM1', '+14155550101',
	 '+18454090692', 'Hello', 'inbound', 'received', 1,
	 'a0000000-0000-4000-8000-000000000001', '{}',
	 '2025-03-01 11:00+00', '2025-03-01 11:00+00'),
	('50000000-0000-4000-8000-000000000002', 'SM2', '+18454090692',
	 '+14155550102', 'Grüße 👋', 'outbound-api', 'queued', 2, NULL,
	 '{"campaign": "x"}', '2025-03-02 11:00+00', '2025-03-02 11:00+00');

INSERT INTO twilio_recordings VALUES
	('e0000000-0000-4000-8000-000000000001', 'RE1', 'CA1',
	 'https://api.twilio.com/RE1', 12,
	 '70000000-0000-4000-8000-000000000001', 'completed',
	 '2025-03-01 10:01+00', '2025-03-01 10:02+00'),
	('e0000000-0000-4000-8000-000000000002', 'RE2', 'CA2',
	 'https://api.twilio.com/RE2', 20, NULL, 'pending',
	 '2025-03-02 10:01+00', '2025-03-02 10:01+00'),
	('e0000000-0000-4000-8000-000000000003', 'RE3', 'CA3',
	 'https://api.twilio.com/RE3', 30, NULL, 'processing',
	 '2025-03-03 10:01+00', '2025-03-03 10:01+00'),
	('e0000000-0000-4000-8000-000000000004', 'RE4', 'CA3',
	 'https://api.twilio.com/RE4', 40, NULL, 'failed',
	 '2025-03-03 10:02+00', '2025-03-03 10:03+00'),
	('e0000000-0000-4000-8000-000000000005', 'RE5', 'CA3',
	 'https://api.twilio.com/RE5', 9,
	 '70000000-0000-4000-8000-000000000003', 'processing',
	 '2025-03-03 10:03+00', '2025-03-03 10:03+00'),
	('e0000000-0000-4000-8000-000000000006', 'RE6', 'CA3',
	 'https://api.twilio.com/RE6', 9, NULL, 'error',
	 '2025-03-03 10:04+00', '2025-03-03 10:04+00');
