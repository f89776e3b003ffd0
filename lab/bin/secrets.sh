#!/bin/bash
# Passwords as files, LAB_STATE/secrets/NAME, byte for byte: user (all of CORP, MIT.TEST, HEIM.TEST), carol, wrong.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
umask 077
mkdir -p "$ST/secrets"
printf %s "$USERPW" > "$ST/secrets/user"
printf %s "$CAROLPW" > "$ST/secrets/carol"
printf %s not-the-password > "$ST/secrets/wrong"
