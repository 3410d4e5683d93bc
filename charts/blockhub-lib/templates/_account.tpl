{{/* Name of the service account; empty: the default one of the namespace. */}}
{{- define "blockhub.serviceAccountName" -}}
{{- with .Values.global.serviceAccount -}}
{{- if .name -}}{{ .name }}
{{- else if .create -}}{{ include "blockhub.name" (dict "top" $ "of" "mesh") }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The service account itself: one for all places, so whoever is installed makes it. */}}
{{- define "blockhub.serviceAccount" -}}
{{- with .Values.global.serviceAccount }}
{{- if .create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "blockhub.serviceAccountName" $ }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "blockhub.labels" (dict "top" $ "of" "mesh") | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: {{ .automount }}
{{- end }}
{{- end }}
{{- end -}}
