{{/* Whether the pods of a place have volumes of their own. */}}
{{- define "blockhub.claims" -}}
{{- with .place.volume -}}
{{- $volume := get $.top.Values .of -}}
{{- if hasKey $volume "enabled" -}}{{ $volume.enabled }}{{- else -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a process may keep has to fit into its volume: a full disk is found out in the worst hour. Takes dict "top" $ "place". */}}
{{- define "blockhub.checkVolume" -}}
{{- with .place.volume.limit -}}
{{- $volume := $.place.volume.of -}}
{{- $size := (get $.top.Values $volume).size -}}
{{- $limit := get $.top.Values.settings .setting | default .bytes -}}
{{- if ge (include "blockhub.bytes" $limit | int64) (include "blockhub.bytes" $size | int64) -}}
{{- fail (printf "%s: settings.%s is %s, which does not fit into %s.size, which is %s: lower the one or raise the other" $.place.name .setting (include "blockhub.text" $limit) $volume $size) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Deployment, or StatefulSet where each pod has a volume. */}}
{{- define "blockhub.workload" -}}
{{- $values := .top.Values -}}
{{- $at := dict "top" .top "of" .place.name -}}
{{- $claims := eq (include "blockhub.claims" .) "true" -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $claims }}
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
spec:
  {{- /* What another controller decides must not be said here, or each upgrade takes it back. */}}
  {{- if not (and (hasKey $values "autoscaling") $values.autoscaling.enabled) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "blockhub.selector" $at | nindent 6 }}
  {{- if $claims }}
  {{- include "blockhub.checkVolume" . }}
  serviceName: {{ include "blockhub.name" $at }}
  podManagementPolicy: Parallel
  {{- include "blockhub.claim" (merge (dict "name" .place.volume.of "volume" (get $values .place.volume.of)) $at) | nindent 2 }}
  {{- end }}
  template:
    {{- include "blockhub.pod" . | nindent 4 }}
{{- end -}}

{{/* A volume for each pod; claims outlive the chart. Takes dict "top" $ "of" "builder" "name" "data" "volume" (values `size` and `storageClass`). */}}
{{- define "blockhub.claim" -}}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: {{ .name }}
      labels:
        {{- include "blockhub.podLabels" . | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .volume.storageClass }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources: {requests: {storage: {{ .volume.size }}}}
{{- end -}}

{{- define "blockhub.disruptionBudget" -}}
{{- $values := .top.Values -}}
{{- $scaled := and (hasKey $values "autoscaling") $values.autoscaling.enabled -}}
{{- if and $values.podDisruptionBudget (gt (int (ternary ($values.autoscaling).minReplicas $values.replicas $scaled)) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "blockhub.metadata" (dict "top" .top "of" .place.name) | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "blockhub.selector" (dict "top" .top "of" .place.name) | nindent 6 }}
{{- end }}
{{- end -}}
