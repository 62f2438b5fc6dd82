package shopify

// The GraphQL documents that Waybill sends; a test validates each against the
// official schema. Sizes keep every query below the 1,000 points that Shopify
// allows one.

// namespace holds the order metafields that are Waybill's marks.
const namespace = "waybill"

// How much one page of a look-up shows.
const (
	fulfillmentsShown = 100 // more than this on one order is refused, never guessed about
	numbersShown      = 10  // tracking numbers of one fulfilment
)

const queryOrder = `query WaybillOrder($id: ID!, $handle: String!, $after: String) {
  order(id: $id) {
    id
    metafield(namespace: "waybill", key: $handle) { value }
    fulfillments(first: 100) { id status trackingInfo(first: 10) { number } }
    fulfillmentOrders(first: 5, after: $after) {
      nodes {
        id
        status
        assignedLocation { location { id } }
        lineItems(first: 20) {
          nodes { id remainingQuantity lineItem { id } }
          pageInfo { hasNextPage endCursor }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

const queryOpenLines = `query WaybillOpenLines($id: ID!, $after: String) {
  fulfillmentOrder(id: $id) {
    lineItems(first: 250, after: $after) {
      nodes { id remainingQuantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

const queryFulfilledLines = `query WaybillFulfilledLines($id: ID!, $after: String) {
  fulfillment(id: $id) {
    fulfillmentLineItems(first: 250, after: $after) {
      nodes { quantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

const queryMark = `query WaybillMark($id: ID!, $key: String!) {
  order(id: $id) { id metafield(namespace: "waybill", key: $key) { id } }
}`

const queryShop = `query WaybillShop { shop { name myshopifyDomain } }`

// The mark goes first: it widens what a later look-up takes for ours, so it
// has to be there whenever the fulfilment is. Where the shop refuses the mark,
// only a later correction misses it, and says that nothing is left to fulfil.
const mutationCreate = `mutation WaybillFulfil($marks: [MetafieldsSetInput!]!, $fulfillment: FulfillmentInput!) {
  metafieldsSet(metafields: $marks) { userErrors { code field message } }
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id } userErrors { field message } }
}`

const mutationTrack = `mutation WaybillTrack($marks: [MetafieldsSetInput!]!, $id: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean) {
  metafieldsSet(metafields: $marks) { userErrors { code field message } }
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify) {
    fulfillment { id }
    userErrors { field message }
  }
}`

const mutationCancel = `mutation WaybillCancelFulfilment($id: ID!) {
  fulfillmentCancel(id: $id) { fulfillment { id } userErrors { field message } }
}`

// The mark goes last: it vouches for the tags.
const mutationAnswer = `mutation WaybillAnswer($id: ID!, $tags: [String!]!, $marks: [MetafieldsSetInput!]!) {
  tagsAdd(id: $id, tags: $tags) { userErrors { field message } }
  metafieldsSet(metafields: $marks) { metafields { id } userErrors { code field message } }
}`

// documents lists them all.
var documents = []string{queryOrder, queryOpenLines, queryFulfilledLines, queryMark, queryShop,
	mutationCreate, mutationTrack, mutationCancel, mutationAnswer}

// mark is an order metafield, as MetafieldsSetInput wants it.
type mark struct {
	Owner     string `json:"ownerId"`
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Type      string `json:"type"`
	Value     string `json:"value"`
}

// tracking is a FulfillmentTrackingInput.
type tracking struct {
	Company string   `json:"company,omitzero"`
	Numbers []string `json:"numbers"`
}
