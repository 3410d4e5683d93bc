{{/*
Pods are scraped, not Services: workers have none, and `service` is a label of our metrics. Takes dict "top" $ "of" "builder" "port" "probes"
"job" "app.kubernetes.io/part-of" (the label whose value is the job: alerts look at jobs named `blockhub`); and for RabbitMQ "queues" true.
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
    # As monitoring/prometheus.yaml: a job of its own, or the two would both say whether the same one is `up`.
    - port: {{ $.port }}
      path: /metrics/detailed
      params: {family: [queue_coarse_metrics, queue_consumer_count]}
      relabelings:
        - {targetLabel: job, replacement: rabbitmq-queues}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}
