{{/* "true" if each pod of the place has a volume. */}}
{{- define "blockhub.claims" -}}
{{- with .place.volume -}}
{{- $volume := get $.top.Values .of -}}
{{- if hasKey $volume "enabled" -}}{{ $volume.enabled }}{{- else -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses a limit that is larger than the volume. Takes dict "top" $ "place". */}}
{{- define "blockhub.checkVolume" -}}
{{- with .place.volume.limit -}}
{{- $volume := $.place.volume.of -}}
{{- $size := (get $.top.Values $volume).size -}}
{{- $limit := get $.top.Values.settings .setting | default .bytes -}}
{{- if ge (include "blockhub.bytes" $limit | int64) (include "blockhub.bytes" $size | int64) -}}
{{- fail (printf "%s: settings.%s is %s, which does not fit into %s.size (%s): lower the setting or raise the size" $.place.name .setting (include "blockhub.text" $limit) $volume $size) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A Deployment, or a StatefulSet if each pod has a volume. */}}
{{- define "blockhub.workload" -}}
{{- $values := .top.Values -}}
{{- $at := dict "top" .top "of" .place.name -}}
{{- $claims := eq (include "blockhub.claims" .) "true" -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $claims }}
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
spec:
  {{- /* With an autoscaler there is no number here, or each upgrade would reset it. */}}
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

{{/*
A volume for each pod. Its claim stays when the chart is uninstalled. Takes dict "top" $ "of"
"builder" "name" "data" "volume" (values `size` and `storageClass`).
*/}}
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
