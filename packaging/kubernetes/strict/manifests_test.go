// Package strict holds the manifests against Kubernetes' own types: a key that
// those do not know is an error. It is a module of its own, so that kerbagent
// does not depend on them.
package strict

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// podMonitor is the part of monitoring.coreos.com/v1 that is used: its types are
// no part of Kubernetes (prometheus-operator, Documentation/api-reference).
type podMonitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		JobLabel            string             `json:"jobLabel"`
		Selector            meta.LabelSelector `json:"selector"`
		PodMetricsEndpoints []struct {
			Port        string `json:"port"`
			Path        string `json:"path"`
			Interval    string `json:"interval"`
			Relabelings []struct {
				SourceLabels []string `json:"sourceLabels"`
				TargetLabel  string   `json:"targetLabel"`
			} `json:"relabelings"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

// documents returns the objects of all manifests, each decoded into its own type.
func documents(t *testing.T) []any {
	t.Helper()
	files, err := filepath.Glob("../*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests (%v)", err)
	}
	var out []any
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
			object, err := decode(part)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
				continue
			}
			out = append(out, object)
		}
	}
	return out
}

func decode(text []byte) (any, error) {
	var kind meta.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return nil, err
	}
	object := map[string]any{
		"v1 ConfigMap": &core.ConfigMap{}, "v1 PersistentVolumeClaim": &core.PersistentVolumeClaim{},
		"apps/v1 DaemonSet": &apps.DaemonSet{}, "apps/v1 Deployment": &apps.Deployment{},
		"networking.k8s.io/v1 NetworkPolicy": &networking.NetworkPolicy{}, "monitoring.coreos.com/v1 PodMonitor": &podMonitor{},
	}[kind.APIVersion+" "+kind.Kind]
	if object == nil {
		return nil, &os.PathError{Op: "decode", Path: kind.APIVersion + " " + kind.Kind, Err: os.ErrInvalid}
	}
	return object, yaml.UnmarshalStrict(text, object)
}

func templates(t *testing.T) map[string]core.PodTemplateSpec {
	t.Helper()
	out := map[string]core.PodTemplateSpec{}
	for _, object := range documents(t) {
		switch o := object.(type) {
		case *apps.DaemonSet:
			out["DaemonSet"] = o.Spec.Template
			selects(t, o.Spec.Selector, o.Spec.Template)
		case *apps.Deployment:
			out["Deployment"] = o.Spec.Template
			selects(t, o.Spec.Selector, o.Spec.Template)
		}
	}
	return out
}

func selects(t *testing.T, s *meta.LabelSelector, pod core.PodTemplateSpec) {
	t.Helper()
	for k, v := range s.MatchLabels {
		if pod.Labels[k] != v {
			t.Errorf("the selector's %s=%s is not the pod's", k, v)
		}
	}
}

func TestManifestsAreKubernetesOwn(t *testing.T) {
	kinds := templates(t)
	if len(kinds) != 2 {
		t.Errorf("%d workloads, want a DaemonSet and a Deployment", len(kinds))
	}
	if _, err := decode([]byte("apiVersion: apps/v1\nkind: Deployment\nspec: {replica: 1}\n")); err == nil {
		t.Error("a key that Kubernetes does not know is no error: this test shows nothing")
	}
}

// Pod Security Standards, profile "restricted"; and every volume that is mounted is there.
func TestPodsAreRestricted(t *testing.T) {
	for name, pod := range templates(t) {
		c, s := pod.Spec.Containers[0], pod.Spec.SecurityContext
		switch {
		case s.RunAsNonRoot == nil || !*s.RunAsNonRoot, s.RunAsUser == nil || *s.RunAsUser == 0, s.SeccompProfile == nil,
			*c.SecurityContext.AllowPrivilegeEscalation, !*c.SecurityContext.ReadOnlyRootFilesystem,
			!slices.Equal(c.SecurityContext.Capabilities.Drop, []core.Capability{"ALL"}), *pod.Spec.AutomountServiceAccountToken:
			t.Errorf("%s: not restricted", name)
		}
		volumes := map[string]bool{}
		for _, v := range pod.Spec.Volumes {
			volumes[v.Name] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: %s is mounted and is no volume", name, m.Name)
			}
			delete(volumes, m.Name)
		}
		for v := range volumes {
			t.Errorf("%s: %s is mounted nowhere", name, v)
		}
	}
}

// What the pods are told is what this kerbagent understands: its file, and its flags.
func TestKerbagentUnderstandsThem(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kerbagent")
	if out, err := exec.Command("go", "build", "-C", "../../..", "-o", program, "./cmd/kerbagent").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, pod := range templates(t) {
		config := filepath.Join(mounted(t, pod, "/etc/kerbagent"), "kerbagent.yaml")
		if out, err := exec.Command(program, "config", "check", "--config", config).CombinedOutput(); err != nil {
			t.Errorf("%s: config check: %v\n%s", name, err, out)
		}
	}
	for name, pod := range templates(t) {
		args := append(slices.Clone(pod.Spec.Containers[0].Args), "--help")
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "kerbagent run") {
			t.Errorf("%s: kerbagent %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
}

// mounted lays out what a pod has at a path, as the kubelet does. What config.yaml says to
// make by hand, the CA and the Secret, is made here.
func mounted(t *testing.T, pod core.PodTemplateSpec, path string) string {
	t.Helper()
	maps := map[string]map[string]string{"kerbagent-ca": {"rds.pem": authority(t)}, "kerbagent": {"probe.pw": "secret"}}
	for _, object := range documents(t) {
		if c, ok := object.(*core.ConfigMap); ok {
			for key, text := range c.Data {
				maps[c.Name][key] = text
			}
		}
	}
	dir := t.TempDir()
	put := func(name string, items []core.KeyToPath, mode *int32) {
		for _, i := range items {
			text, is := maps[name][i.Key]
			if !is {
				t.Errorf("%s has no %s", name, i.Key)
			}
			if err := os.WriteFile(filepath.Join(dir, i.Path), []byte(text), os.FileMode(*mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		for _, v := range pod.Spec.Volumes {
			if m.MountPath != path || m.Name != v.Name {
				continue
			}
			for _, source := range v.Projected.Sources {
				if source.ConfigMap != nil {
					put(source.ConfigMap.Name, source.ConfigMap.Items, v.Projected.DefaultMode)
				} else {
					put(source.Secret.Name, source.Secret.Items, v.Projected.DefaultMode)
				}
			}
		}
	}
	return dir
}

// authority makes a certificate that may stand in a bundle of CAs.
func authority(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Who selects the pods and their ports by name selects what is there: of the policy and of
// the monitor a wrong name is no error anywhere, and nothing is scraped.
func TestPortsAndLabelsAreThePods(t *testing.T) {
	for name, pod := range templates(t) {
		ports := map[string]bool{}
		for _, p := range pod.Spec.Containers[0].Ports {
			ports[p.Name] = true
		}
		for _, object := range documents(t) {
			switch o := object.(type) {
			case *networking.NetworkPolicy:
				selects(t, &o.Spec.PodSelector, pod)
				for _, rule := range o.Spec.Ingress {
					for _, p := range rule.Ports {
						if !ports[p.Port.StrVal] {
							t.Errorf("%s: the policy lets in port %s, which the pod has not", name, p.Port)
						}
					}
				}
			case *podMonitor:
				selects(t, &o.Spec.Selector, pod)
				for _, e := range o.Spec.PodMetricsEndpoints {
					if !ports[e.Port] {
						t.Errorf("%s: port %s is scraped, which the pod has not", name, e.Port)
					}
				}
				if _, is := pod.Labels[o.Spec.JobLabel]; !is {
					t.Errorf("%s: the pod has no label %s, which the job is named after", name, o.Spec.JobLabel)
				}
			}
		}
	}
}
