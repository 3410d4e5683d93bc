{{/*
Name of an object: the release, then what the object is. Labels have at most 63 characters, and
Kubernetes appends to the names of StatefulSets, so a long name of the release is cut.
Takes dict "top" $ "of" "builder".
*/}}
{{- define "blockhub.name" -}}
{{- $room := int (sub 51 (len .of)) -}}
{{- printf "%s-%s" (.top.Release.Name | replace "." "-" | trunc $room | trimSuffix "-") .of -}}
{{- end -}}

{{/* The labels in selectors. They can never change. Takes dict "top" $ "of" "builder". */}}
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

{{/* The image of a server for development. Takes its values `image`. */}}
{{- define "blockhub.otherImage" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
