// Package strict holds the manifests against Kubernetes' own types: a key that
// those do not know is an error. It is a module of its own, so that kerbagent
// does not depend on them.
package strict

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	for _, object := range documents(t) {
		c, ok := object.(*core.ConfigMap)
		if !ok {
			continue
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"kerbagent.yaml": c.Data["kerbagent.yaml"], "probe.pw": "secret"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(program, "config", "check", "--config", filepath.Join(dir, "kerbagent.yaml")).CombinedOutput(); err != nil {
			t.Errorf("config check: %v\n%s", err, out)
		}
	}
	for name, pod := range templates(t) {
		args := append(slices.Clone(pod.Spec.Containers[0].Args), "--help")
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "kerbagent run") {
			t.Errorf("%s: kerbagent %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
}
