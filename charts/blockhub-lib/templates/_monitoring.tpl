{{/* Pods are scraped, not Services: workers have none. Takes dict "top" $ "of" "builder" "port" "probes". */}}
{{- define "blockhub.podMonitor" -}}
{{- with .top.Values.global.monitoring }}
{{- if .podMonitor }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "blockhub.metadata" $ | nindent 2 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "blockhub.selector" $ | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ $.port }}
      path: /metrics
{{- end }}
{{- end }}
{{- end -}}
