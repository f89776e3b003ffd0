package awstest

func stsActions() map[string]action {
	return map[string]action{"GetCallerIdentity": {run: getCallerIdentity}}
}

// getCallerIdentity needs no permission, and no policy can deny it.
func getCallerIdentity(r *request) (any, error) {
	return struct {
		ARN     string `xml:"Arn"`
		ID      string `xml:"UserId"`
		Account string
	}{r.who.arn, r.who.id, r.cloud.options.Account}, r.form.done()
}
