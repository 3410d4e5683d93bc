{{/*
The autoscaler: a HorizontalPodAutoscaler of Kubernetes by CPU, or a ScaledObject of KEDA by the
messages in the queues.
*/}}
{{- define "blockhub.scaling" -}}
{{- $values := .top.Values -}}
{{- $at := dict "top" .top "of" .place.name -}}
{{- $name := include "blockhub.name" $at -}}
{{- $kind := ternary "StatefulSet" "Deployment" (eq (include "blockhub.claims" .) "true") -}}
{{- if and (hasKey $values "autoscaling") $values.autoscaling.enabled }}
{{- with $values.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "%s: autoscaling.minReplicas is %v, which is more than autoscaling.maxReplicas (%v)" $.place.name .minReplicas .maxReplicas) }}
{{- end }}
{{- if eq .by "cpu" }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: {{ $kind }}, name: {{ $name }}}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .cpuPercent }}}}
{{- else }}
{{- $secret := include "blockhub.secret" (dict "top" $.top "of" "broker") }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: {{ $kind }}, name: {{ $name }}}
  minReplicaCount: {{ .minReplicas }}
  maxReplicaCount: {{ .maxReplicas }}
  triggers:
    {{- range $.place.queues }}
    {{- range $queue := include "blockhub.queues" (dict "name" . "partitions" $values.global.partitions) | fromJsonArray }}
    - type: rabbitmq
      metadata:
        host: {{ regexReplaceAll "[?].*$" (include "blockhub.url" (dict "top" $.top "of" "broker")) "" | quote }}
        protocol: amqp
        {{- if $secret }}
        usernameFromEnv: BLOCKHUB_BROKER_USER
        {{- end }}
        queueName: {{ $queue | quote }}
        mode: QueueLength
        value: {{ $values.autoscaling.messages | quote }}
      {{- if $secret }}
      authenticationRef: {name: {{ $name }}}
      {{- end }}
    {{- end }}
    {{- end }}
{{- if $secret }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
spec:
  secretTargetRef:
    - {parameter: password, name: {{ $secret }}, key: {{ include "blockhub.brokerKey" (dict "top" $.top "user" $.place.name) | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The queues of a name, in which {p} is every partition: a JSON array. */}}
{{- define "blockhub.queues" -}}
{{- $queues := list -}}
{{- range $p := until (ternary (int .partitions) 1 (contains "{p}" .name)) -}}
{{- $queues = append $queues (replace "{p}" (toString $p) $.name) -}}
{{- end -}}
{{- toJson $queues -}}
{{- end -}}
