{{/* Name of the service account. If it is empty, the default one of the namespace is used. */}}
{{- define "blockhub.serviceAccountName" -}}
{{- with .Values.global.serviceAccount -}}
{{- if .name -}}{{ .name }}
{{- else if .create -}}{{ include "blockhub.name" (dict "top" $ "of" "mesh") }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The service account, which all places share. The chart that is installed creates it. */}}
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
