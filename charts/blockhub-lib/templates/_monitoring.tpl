{{/*
Prometheus scrapes pods, because workers have no Service. Alerts select jobs with the name
`blockhub`. Takes dict "top" $ "of" "builder" "port" "probes" "job" "app.kubernetes.io/part-of" (the
label whose value is the name of the job), and for RabbitMQ "queues" true.
*/}}
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
  jobLabel: {{ $.job }}
  selector:
    matchLabels:
      {{- include "blockhub.selector" $ | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ $.port }}
      path: /metrics
    {{- if $.queues }}
    # A separate job, as in monitoring/prometheus.yaml, so that each job has its own `up`.
    - port: {{ $.port }}
      path: /metrics/detailed
      params: {family: [queue_coarse_metrics, queue_consumer_count]}
      relabelings:
        - {targetLabel: job, replacement: rabbitmq-queues}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}
