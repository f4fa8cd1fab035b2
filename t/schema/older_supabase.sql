-- SPDX-License-Identifier: ISC
--
-- What an earlier installation had besides, where there was a schema auth.
ALTER TABLE twilio_calls
	ADD FOREIGN KEY (user_id) REFERENCES auth.users(id);
ALTER TABLE twilio_sms
	ADD FOREIGN KEY (user_id) REFERENCES auth.users(id);
ALTER TABLE transcriptions
	ADD FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;
ALTER TABLE transcriptions ENABLE ROW LEVEL SECURITY;
CREATE POLICY transcriptions_user_policy ON transcriptions
	USING (user_id = auth.uid());
CREATE POLICY transcriptions_service_policy ON transcriptions
	USING (TRUE) WITH CHECK (TRUE);
