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

{{/* Refuses what could be installed and would not work, or would lose what it is given. */}}
{{- define "heraldry.refuse" -}}
{{- range $service, $asked := .Values.services }}
{{- if and (gt (int $asked.replicas) 1) (not $.Values.store.url) }}
{{- fail (printf "services.%s.replicas is %d, but the store is SQLite, a file that only one pod can have. Set it to 1; several replicas need KurrentDB." $service (int $asked.replicas)) }}
{{- end }}
{{- end }}
{{- if .Values.store.url }}
{{- fail (printf "store.url is set, but release %s has no adapter for KurrentDB: the services would ignore it and write to SQLite. Leave it empty." .Chart.AppVersion) }}
{{- end }}
{{- end }}
