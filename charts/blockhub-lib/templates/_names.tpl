{{/*
Name of an object: release and what it is. Kubernetes appends to names of StatefulSets, in labels of 63 characters; so it is the release that is cut.
Takes dict "top" $ "of" "builder".
*/}}
{{- define "blockhub.name" -}}
{{- $room := int (sub 51 (len .of)) -}}
{{- printf "%s-%s" (.top.Release.Name | replace "." "-" | trunc $room | trimSuffix "-") .of -}}
{{- end -}}

{{/* What a selector selects by: it can never be changed. Takes dict "top" $ "of" "builder". */}}
{{- define "blockhub.selector" -}}
app.kubernetes.io/name: {{ .of }}
app.kubernetes.io/instance: {{ .top.Release.Name }}
app.kubernetes.io/component: {{ .of }}
{{- end -}}

{{- define "blockhub.podLabels" -}}
{{ include "blockhub.selector" . }}
app.kubernetes.io/part-of: blockhub
{{- end -}}

{{- define "blockhub.labels" -}}
{{ include "blockhub.podLabels" . }}
app.kubernetes.io/version: {{ .top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .top.Chart.Name .top.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Name and labels of an object of a place or server. */}}
{{- define "blockhub.metadata" -}}
name: {{ include "blockhub.name" . }}
namespace: {{ .top.Release.Namespace }}
labels:
  {{- include "blockhub.labels" . | nindent 2 }}
{{- end -}}

{{/* The image of Blockhub itself. */}}
{{- define "blockhub.image" -}}
{{- with .Values.global.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The image of another server: takes its values `image`. */}}
{{- define "blockhub.otherImage" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
