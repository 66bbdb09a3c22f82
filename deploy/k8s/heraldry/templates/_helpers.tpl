{{/* What every object of a service is called. Takes `release` and `service`. */}}
{{- define "heraldry.name" -}}
{{ .release }}-{{ .service }}
{{- end }}

{{/* What a service's pods are chosen by: never changed, for a Deployment's selector cannot be. */}}
{{- define "heraldry.selector" -}}
app.kubernetes.io/name: heraldry
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{/* The labels of every object. Takes `root` and `service`. */}}
{{- define "heraldry.labels" -}}
{{ include "heraldry.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Where the log is, as a service is told. */}}
{{- define "heraldry.store" -}}
{{- with .Values.store -}}
{{ .url }}{{ if .caConfigMap }}{{ ternary "&" "?" (contains "?" .url) }}TlsCaFile=/etc/heraldry-store/ca.pem{{ end }}
{{- end }}
{{- end }}

{{/* Refuses what could be installed and would not work, or would lose what it is given. */}}
{{- define "heraldry.refuse" -}}
{{- range $service, $asked := .Values.services }}
{{- if and (gt (int $asked.replicas) 1) (not $.Values.store.url) }}
{{- fail (printf "services.%s.replicas is %d, but the store is SQLite, a file that only one pod can have. Set it to 1; several replicas need KurrentDB." $service (int $asked.replicas)) }}
{{- end }}
{{- end }}
{{- $open := regexMatch "(?i)[?&]tls=false" .Values.store.url }}
{{- if and .Values.store.url (not $open) (not .Values.store.passwordsSecret) }}
{{- fail "store.url is of a server with TLS, which wants to know who asks: name store.passwordsSecret, or say ?Tls=false." }}
{{- end }}
{{- if and $open (or .Values.store.passwordsSecret .Values.store.caConfigMap) }}
{{- fail "store.url says Tls=false: a password would not be sent, and no certificate looked at. Leave store.passwordsSecret and store.caConfigMap empty, or use TLS." }}
{{- end }}
{{- end }}
