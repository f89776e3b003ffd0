package awsview

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// readDirectories reads those that the clusters are joined to, and those that serve a
// configured realm.
func (r *reading) readDirectories(ctx context.Context) {
	if r.stopped {
		return
	}
	all, err := awsapi.Directories(ctx, r.directories)
	if r.failed(err) {
		return
	}
	for _, d := range all {
		id, name := aws.ToString(d.DirectoryId), aws.ToString(d.Name)
		realm := ""
		for _, known := range r.Config.Realms {
			if strings.EqualFold(known.Domain(), name) {
				realm = known.Name
			}
		}
		joined := slices.ContainsFunc(r.view.Clusters, func(c Cluster) bool { return c.Directory == id })
		managed := d.Type == types.DirectoryTypeMicrosoftAd || d.Type == types.DirectoryTypeSharedMicrosoftAd
		if !joined && (realm == "" || !managed) || len(r.view.Directories) >= maxMembers {
			continue
		}
		out := Directory{ID: bounded(id), Name: bounded(name), Realm: realm, Stage: bounded(string(d.Stage)),
			Reason: bounded(aws.ToString(d.StageReason)), Shared: d.Type == types.DirectoryTypeSharedMicrosoftAd}
		if d.VpcSettings != nil && aws.ToString(d.VpcSettings.SecurityGroupId) != "" && !out.Shared {
			out.Way.Groups = []string{bounded(aws.ToString(d.VpcSettings.SecurityGroupId))}
		}
		if !out.Shared && !r.stopped {
			r.readControllers(ctx, &out)
		}
		r.view.Directories = append(r.view.Directories, out)
	}
}

func (r *reading) readControllers(ctx context.Context, d *Directory) {
	list, err := awsapi.Controllers(ctx, r.controllers, d.ID)
	if r.failed(err) {
		return
	}
	for _, c := range list[:min(len(list), maxMembers)] {
		if a, err := netip.ParseAddr(aws.ToString(c.DnsIpAddr)); err == nil {
			d.Controllers = append(d.Controllers, Controller{a, bounded(string(c.Status))})
		}
	}
}
